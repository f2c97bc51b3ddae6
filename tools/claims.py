"""Claims of the book and the tests that prove them, joined by one id.

A page marks a claim with the role {claim}`id`; a test proves it with the decorator `@proves("id", ...)`.
Both are read from the source, so that the claims page needs no test run and the tests need no book.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_MARK = re.compile(r"\{claim\}`([^`]+)`")


@dataclass(frozen=True)
class Proof:
    """One test that proves one claim: against which oracle, and how close it must come."""

    claim: str
    oracle: str
    tolerance: str
    test: str


@dataclass(frozen=True)
class Claim:
    """One claim, where the book makes it."""

    claim: str
    page: str
    line: int


def proves(claim: str, *, oracle: str, tolerance: str):
    """Mark a test as the proof of a claim. The oracle must not use the code under test."""
    import pytest

    return pytest.mark.proves(claim=claim, oracle=oracle, tolerance=tolerance)


def proofs(root: Path = ROOT) -> list[Proof]:
    """Every `@proves(...)` under tests/claims, in the order of files and lines."""
    found = []
    for path in sorted((root / "tests/claims").glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf8"), filename=str(path))
        functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
        for function in sorted(functions, key=lambda node: node.lineno):
            test = f"{path.relative_to(root).as_posix()}::{function.name}"
            marks = [node for node in function.decorator_list if _is_proof(node)]
            if marks and not (function in tree.body and _runs(function)):
                raise ValueError(f"{test}: @proves needs a test at the top of the file that always runs")
            found += [_proof(mark, test) for mark in marks]
    return found


def claims(root: Path = ROOT) -> list[Claim]:
    """Every {claim} mark of the book, in the order of reading."""
    found = []
    for path in [*root.glob("intro.md"), *sorted((root / "chapters").glob("*.md"))]:
        for number, line in enumerate(path.read_text(encoding="utf8").splitlines(), start=1):
            page = path.relative_to(root).with_suffix("").as_posix()
            found += [Claim(name, page, number) for name in _MARK.findall(line)]
    return found


def faults(stated: list[Claim], proven: list[Proof]) -> list[str]:
    """What is wrong between the two, each in one sentence; empty when every claim has its proof."""
    known = {proof.claim for proof in proven}
    places: dict[str, str] = {}
    found = []
    for claim in stated:
        here = f"{claim.page}.md:{claim.line}"
        if claim.claim in places:
            found.append(f"{here}: claim {claim.claim!r} is already made at {places[claim.claim]}")
        if claim.claim not in known:
            found.append(f"{here}: claim {claim.claim!r} has no proof in tests/claims")
        places.setdefault(claim.claim, here)
    for proof in proven:
        if proof.claim not in places:
            found.append(f"{proof.test}: proves {proof.claim!r}, which no page claims")
        found += [f"{proof.test}: the {name} is empty" for name in ("oracle", "tolerance") if not getattr(proof, name)]
    return found


def _is_proof(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "proves"


def _runs(function: ast.FunctionDef) -> bool:
    """Whether pytest collects this function and holds its result against it."""
    others = " ".join(ast.unparse(node) for node in function.decorator_list if not _is_proof(node))
    return function.name.startswith("test_") and not re.search("skip|xfail", others)


def _proof(mark: ast.Call, test: str) -> Proof:
    """Read a mark without running it, so its arguments must be literal strings."""
    names = ["claim", *(keyword.arg for keyword in mark.keywords)]
    try:
        values = [ast.literal_eval(value) for value in [*mark.args, *(keyword.value for keyword in mark.keywords)]]
        return Proof(test=test, **dict(zip(names, values, strict=True)))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{test}: @proves needs a claim, oracle= and tolerance=, as literal strings ({error})"
        ) from error
