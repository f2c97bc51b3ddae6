"""What can be said of a code cell without running it."""

import ast
from collections.abc import Iterable


def shows(source: str) -> bool:
    """Whether a cell prints, draws, or ends in a value."""
    body = _parse(source).body
    ran = [node for node in body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    calls = (node for step in ran for node in ast.walk(step) if isinstance(node, ast.Call))
    if any(ast.unparse(call.func) in ("print", "display", "plots.show") for call in calls):
        return True
    return bool(body) and isinstance(body[-1], ast.Expr) and not isinstance(body[-1].value, ast.Call)


def lost(dropped: Iterable[str], kept: Iterable[str]) -> set[str]:
    """The names that only dropped cells define and that cells which stay use."""
    kept = list(kept)
    defined = set().union(*map(_defined, dropped))
    return (defined - set().union(*map(_defined, kept))) & set().union(*map(_used, kept))


def _defined(source: str) -> set[str]:
    """Every name that a cell binds."""
    found = set()
    for node in ast.walk(_parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name.split(".")[0])
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found


def _used(source: str) -> set[str]:
    return {node.id for node in ast.walk(_parse(source)) if isinstance(node, ast.Name)}


def _parse(source: str) -> ast.Module:
    """The syntax tree, without IPython's own lines."""
    return ast.parse("\n".join(line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))))
