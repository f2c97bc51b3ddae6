"""The numbers that the executed chapters put into their prose, for the tests that prove them."""

import ast
import json
from functools import cache
from pathlib import Path

import nbformat
import pytest

EXECUTED = Path(__file__).parents[2] / "_build" / "jupyter_execute" / "chapters"


@cache
def glued(number: str) -> dict[str, float | str]:
    """Every value that the chapter of this number glues, by name; `make book` has executed the chapter."""
    found = list(EXECUTED.glob(f"{number}-*.ipynb"))
    assert len(found) == 1, f"executed chapter {number} not in {EXECUTED}: `make book` executes the chapters"
    outputs = [output for cell in nbformat.read(found[0], as_version=4).cells for output in cell.get("outputs", ())]
    beside = found[0].with_suffix(".glue.json")  # the book's build moves what a cell glues out of the notebook
    if beside.exists():
        outputs = [*json.loads(beside.read_text(encoding="utf8")).values(), *outputs]
    return dict(_values(outputs))


@pytest.fixture
def page(request) -> dict[str, float | str]:
    """`page["ch1-name"]` in tests/claims/test_01_*.py: the number that chapter 1 shows under that name."""
    return glued(request.path.name.split("_")[1])


def _values(outputs):
    for output in outputs:
        name = output.get("metadata", {}).get("scrapbook", {}).get("name")
        if name:
            [text] = output["data"].values()
            yield name, ast.literal_eval(text)
