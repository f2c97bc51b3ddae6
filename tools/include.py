"""Library code shown in a chapter, taken from its source: the notebooks' version of literalinclude."""

import ast
from pathlib import Path


def code(path: Path, options: dict[str, str], root: Path) -> str:
    """The file, or the one object that :pyobject: names, as a fenced block under the file's name."""
    unknown = set(options) - {"pyobject", "language", "caption"}
    if unknown:
        raise ValueError(f"literalinclude of {path.name}: the notebooks know no option {sorted(unknown)}")
    source = path.read_text(encoding="utf8")
    if "pyobject" in options:
        source = pyobject(source, options["pyobject"])
    shown = path.resolve().relative_to(root.resolve()).as_posix()
    return f"\n`{shown}`:\n\n```python\n{source.rstrip()}\n```\n"


def pyobject(source: str, dotted: str) -> str:
    """The source of a function, a class or a method, with its decorators."""
    scope: ast.AST = ast.parse(source)
    for name in dotted.split("."):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        found = [node for node in ast.iter_child_nodes(scope) if isinstance(node, kinds) and node.name == name]
        if not found:
            raise ValueError(f"literalinclude: no object {dotted!r} in the file")
        scope = found[0]
    first = min([scope.lineno, *(mark.lineno for mark in scope.decorator_list)])
    return "\n".join(source.splitlines()[first - 1 : scope.end_lineno])
