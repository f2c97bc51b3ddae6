"""The numbers that the executed chapters put into their prose, for the tests that prove them."""

import ast
import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

EXECUTED = Path(__file__).parents[2] / "_build" / "jupyter_execute" / "chapters"


@pytest.fixture(scope="session")
def glued() -> Callable[[str], dict[str, float | str]]:
    """`glued("01-what-is-kl")["ch1-name"]`: the value glued under that name; `make book` has executed the chapter."""

    def read(chapter: str) -> dict[str, float | str]:
        path = EXECUTED / f"{chapter}.ipynb"
        assert path.exists(), f"{path} is missing: `make book` executes the chapters"
        outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", ())]
        beside = path.with_suffix(".glue.json")  # the book's build moves what a cell glues out of the notebook
        if beside.exists():
            outputs = [*json.loads(beside.read_text(encoding="utf8")).values(), *outputs]
        return dict(_values(outputs))

    return read


def _values(outputs):
    for output in outputs:
        name = output.get("metadata", {}).get("scrapbook", {}).get("name")
        if name:
            [text] = output["data"].values()
            yield name, ast.literal_eval(text)
