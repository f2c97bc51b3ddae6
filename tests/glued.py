"""The numbers that the executed chapters put into their prose, for the tests that prove them."""

import ast
import json
from functools import cache
from pathlib import Path

import nbformat
from minibook import ROOT


@cache
def values(number: str, root: Path = ROOT) -> dict[str, float | str]:
    """Every value that the pages of this chapter glue, by name; `make book` has executed them."""
    pages = sorted((root / "chapters").glob(f"{number}-*.md"))
    assert pages, f"no page chapters/{number}-*.md"
    found: dict[str, float | str] = {}
    for page in pages:
        # The notebook and the file beside it may both have a name; two pages may not.
        shown = dict(_values(_outputs(root / "_build/jupyter_execute/chapters" / f"{page.stem}.ipynb")))
        assert not found.keys() & shown.keys(), f"{page.name} glues again: {sorted(found.keys() & shown.keys())}"
        found |= shown
    return found


def _outputs(executed):
    assert executed.exists(), f"no executed {executed.name}: `make book` executes the chapters"
    outputs = [output for cell in nbformat.read(executed, as_version=4).cells for output in cell.get("outputs", ())]
    beside = executed.with_suffix(".glue.json")  # the book's build moves what a cell glues out of the notebook
    if beside.exists():
        outputs = [*json.loads(beside.read_text(encoding="utf8")).values(), *outputs]
    return outputs


def _values(outputs):
    for output in outputs:
        name = output.get("metadata", {}).get("scrapbook", {}).get("name")
        if name:
            [text] = output["data"].values()
            yield name, ast.literal_eval(text)
