"""The road to a working environment: which Pythons, from which lock, and what is said when it fails."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib

import pytest
from minibook import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import env


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 9, 1), (3, 10, 13)])
def test_an_old_python_is_turned_away_in_one_sentence(version):
    sentence = env.too_old(version)
    assert sentence.startswith("Python 3.11 or newer is needed")
    assert f"is {version[0]}.{version[1]}:" in sentence
    assert sentence.count("\n") == 0


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 13, 1), (4, 0, 0)])
def test_a_new_python_is_welcome(version):
    assert env.too_old(version) is None


def test_the_environment_is_made_by_syntax_that_old_pythons_parse():
    source = (ROOT / "tools/env.py").read_text()
    tree = ast.parse(source, feature_version=(3, 7))
    # Pythons before 3.6 fail on these; no version that can still be asked for does.
    assert not any(isinstance(node, ast.JoinedStr | ast.AnnAssign) for node in ast.walk(tree))


@pytest.fixture
def house(tmp_path):
    """A copy of what an environment is made from."""
    (tmp_path / "tools").mkdir()
    for name in ("tools/env.py", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_without_a_network_one_sentence_says_so(house):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    told = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    command = [sys.executable, str(house / "tools/env.py")]
    done = subprocess.run(command, env=told | nowhere, capture_output=True, text=True, check=False)
    log = house / ".venv/install.log"
    said = f"env: no package index could be reached: is the network there? (all of it in {log})\n"
    assert (done.returncode, done.stderr) == (1, said)
    assert len(done.stdout.splitlines()) == 1, "nothing but what it set out to do"
    assert log.exists()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "x\nerror: dns error: no such host\nERROR: Could not find a version of a",
            "no package index could be reached",
        ),
        ("ERROR: Could not find a version of a\nerror: see above", "(ERROR: Could not find a version of a; all"),
        ("error: no space left\nnote: this error is not pip's", "(error: no space left; all"),
        ("", "(no reason given; all"),
    ],
)
def test_the_reason_is_what_went_wrong_first(said, sentence):
    assert sentence in env.reason(said, "install.log")


def test_the_environment_is_made_anew_when_what_it_is_made_from_changes(house):
    first = env.stamp(str(house), (3, 11, 7))
    assert first == env.stamp(str(house), (3, 11, 7))
    assert first.splitlines()[0] != env.stamp(str(house), (3, 13, 0)).splitlines()[0]
    (house / "requirements.txt").write_text("a==2\n")
    assert first != env.stamp(str(house), (3, 11, 7))


@pytest.mark.parametrize(("lock", "last"), [("requirements.txt", ["-e ."]), ("requirements-frameworks.txt", [])])
def test_a_lock_names_no_registry_and_pins_everything(lock, last):
    text = (ROOT / lock).read_text(encoding="utf8")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    pins = [line for line in lines if "==" in line.split(";")[0]]
    assert lines == pins + last
    assert "://" not in text


def pins(lock):
    """Every version of every package in the lock, by name."""
    found = {}
    for line in (ROOT / lock).read_text(encoding="utf8").splitlines():
        if line and line.lstrip()[0] not in "#-":
            pin = Requirement(line)
            found.setdefault(canonicalize_name(pin.name), []).extend(part.version for part in pin.specifier)
    return found


def test_the_locks_hold_what_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))
    groups = project["dependency-groups"]
    optional = groups.pop("frameworks")
    asked = [text for group in (project["project"]["dependencies"], *groups.values()) for text in group]
    for lock, texts in (("requirements.txt", asked), ("requirements-frameworks.txt", optional)):
        held = pins(lock)
        for wanted in map(Requirement, texts):
            versions = held.get(canonicalize_name(wanted.name), [])
            assert versions and all(map(wanted.specifier.contains, versions)), f"{wanted}, and {lock} has {versions}"


def test_the_frameworks_run_on_the_versions_of_the_course_and_without_cuda():
    course, frameworks = pins("requirements.txt"), pins("requirements-frameworks.txt")
    shared = course.keys() & frameworks.keys()
    assert shared >= {"jax", "numpy", "numpyro", "optax"}
    assert {name: course[name] for name in shared} == {name: frameworks[name] for name in shared}
    assert not [name for name in frameworks if name.startswith(("nvidia", "cuda", "triton"))]


def imports(path):
    """The top-level names of every package that a file imports, in a function or not."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


def test_the_library_asks_for_what_it_imports_and_nothing_else():
    imported = {name for path in (ROOT / "vi_lab").rglob("*.py") for name in imports(path)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]
    asked = {Requirement(text).name for text in project["dependencies"]}
    assert {name.lower() for name in imported - sys.stdlib_module_names - {"vi_lab"}} == asked


BARE = """\
#!/bin/bash
case "$(basename "$0") $*" in
  "id -u") echo 0 ;;
  python3*) exit 1 ;;
  apt-get*) echo "$DEBIAN_FRONTEND apt-get $*" >>"$SAID"; ln -sf id "$BIN/make" ;;
  make*) echo "make $* browser=$VI_LAB_NEEDS_BROWSER" >>"$SAID"; [ "$*" != frameworks ] ;;
esac
"""


def test_a_bare_machine_gets_what_the_tests_need(tmp_path):
    """Debian without make, git, Chromium and venv, of which every program is one script that writes down its call.

    The frameworks are optional: that they cannot be had is said, and the tests run.
    """
    programs, said = tmp_path / "bin", tmp_path / "said"
    programs.mkdir()
    (programs / "id").write_text(BARE)
    (programs / "id").chmod(0o755)
    for name in ("apt-get", "python3"):
        (programs / name).symlink_to("id")
    for name in ("env", "dirname", "basename", "ln"):
        (programs / name).symlink_to(shutil.which(name))
    settings = {"PATH": str(programs), "BIN": str(programs), "SAID": str(said)}
    done = subprocess.run([shutil.which("bash"), str(ROOT / ".ci/run")], env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    update, install, frameworks, make = said.read_text().splitlines()
    assert update == " apt-get update -q"
    assert install.startswith("noninteractive apt-get install")
    assert set(install.split()) >= {"chromium", "make", "git", "python3-venv"}
    assert frameworks == "make frameworks browser="
    assert "WITHOUT PyTorch" in done.stderr
    assert make == "make test browser=1"


@pytest.mark.parametrize(("told", "status"), [({}, 0), ({"VI_LAB_NEEDS_BROWSER": "1"}, 1), ({"CI": "1"}, 1)])
def test_pages_that_no_browser_looked_at_are_a_failure_where_one_is_needed(tmp_path, told, status):
    look = ["-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", "tests/test_book.py", "-k", "scripts"]
    done = subprocess.run([sys.executable, *look], cwd=ROOT, env=told | {"PATH": str(tmp_path)}, capture_output=True)
    assert done.returncode == status, done.stdout.decode()
