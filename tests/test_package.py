"""The package as a whole: what importing it costs, which way imports run, and that its public names are documented."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import vi_lab

PACKAGE = Path(vi_lab.__file__).parent
ORDER = ["_checks", "draws", "data", "families", "quadrature", "divergences", "models", "bounds", "forward"]
ORDER += ["gradients", "fit", "ep", "diagnostics", "museum", "mcmc", "__init__", "plots"]


def test_import_costs_little_more_than_jax_and_optax():
    """No timing: after jax and optax, `import vi_lab` loads two small packages, and above all no matplotlib."""
    code = (
        "import sys, jax, optax; before = set(sys.modules); import vi_lab;"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) <= {"vi_lab", "jax", "numpy", "jaxtyping", "tqdm"}, f"import vi_lab also loads {loaded}"


def test_import_changes_no_jax_setting():
    code = "import jax; before = dict(jax.config.values); import vi_lab; assert dict(jax.config.values) == before"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    """A module imports only what stands before it in the order of the house; nothing imports plots."""
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in ORDER, f"{room} has no place in the order of imports"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        assert not isinstance(node, ast.Import) or not any(alias.name.startswith("vi_lab") for alias in node.names)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vi_lab"):
            rooms = [node.module.split(".")[1]] if "." in node.module else [alias.name for alias in node.names]
            for other in rooms:
                assert other == room or ORDER.index(other) < ORDER.index(room), f"{room} imports {other}"


@pytest.mark.parametrize("name", vi_lab.__all__)
def test_every_public_name_is_documented(name):
    thing = getattr(vi_lab, name)
    assert len(inspect.getdoc(thing) or "") > 60
    if inspect.isfunction(thing):
        assert all(word in thing.__doc__ for word in ("nats", "Raises", "chapter"))
