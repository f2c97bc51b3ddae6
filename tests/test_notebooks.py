"""Chapters as notebooks: what of a cell and its outputs is kept, and that nothing raw is left in what is kept."""

import json
import re

import pytest
from minibook import ROOT

import convert
import macros

KEPT = sorted((ROOT / "notebooks").glob("*.ipynb"))
TITLE = {"cell_type": "markdown", "metadata": {}, "source": "# A title"}


def code_cell(source, outputs=(), tags=()):
    return {"cell_type": "code", "source": source, "outputs": list(outputs), "metadata": {"tags": list(tags)}}


def converted(*cells):
    return convert.convert({"cells": list(cells)}, ROOT / "chapters/01-what-is-kl.md")["cells"]


def test_pictures_go_and_words_stay():
    data = {"image/svg+xml": "<svg/>", "image/png": "AAAA", "text/plain": "words"}
    shown = {"output_type": "display_data", "data": data, "metadata": {"needs": "light"}}
    cell = converted(TITLE, code_cell("f()", [shown], ["hide-input"]))[-1]
    assert cell["outputs"] == [{"output_type": "display_data", "data": {"text/plain": "words"}, "metadata": {}}]
    assert cell["metadata"] == {"jupyter": {"source_hidden": True}}
    assert cell["execution_count"] == 1


def test_pieces_of_one_stream_are_one_output():
    pieces = [{"output_type": "stream", "name": "stdout", "text": text} for text in ("a", "b\n")]
    cell = converted(TITLE, code_cell("f()", pieces))[-1]
    assert cell["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "ab\n"}]


def test_a_cell_that_stays_may_not_need_one_that_is_dropped():
    gluing = code_cell("from myst_nb import glue\nslope = 2\nglue('a', slope)", tags=["remove-cell"])
    assert converted(TITLE, gluing, code_cell("slope = 1\nf(slope)"))
    with pytest.raises(ValueError, match=r"cells use \['slope'\], which only a remove-cell defines"):
        converted(TITLE, gluing, code_cell("f(slope)"))


def test_a_cell_that_only_glues_is_dropped():
    source = "from myst_nb import glue\nfor x in y:\n    glue('a', x)"
    assert not any(cell["cell_type"] == "code" for cell in converted(TITLE, code_cell(source, tags=["remove-cell"])))


@pytest.mark.parametrize(
    ("source", "shows"),
    [
        ("print(1)", True),
        ("for x in y:\n    print(x)", True),
        ("plots.show(fig, alt='a')", True),
        ("x = 1\nx", True),
        ("x = 1", False),
        ("def f():\n    print(1)", False),
        ('jax.config.update("a", True)', False),
    ],
)
def test_a_cell_that_should_show_something_and_does_not_is_found(source, shows):
    assert convert.silent({"cells": [code_cell(source)]}) == ([source.splitlines()[0]] if shows else [])
    spoken = code_cell(source, [{"output_type": "stream", "name": "stdout", "text": "1"}])
    assert convert.silent({"cells": [spoken]}) == []


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_nothing_raw_is_left_in_the_text(path):
    cells = json.loads(path.read_text(encoding="utf8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    text = re.sub(r"^```python\n.*?^```$", "", text, flags=re.S | re.M)
    names = "|".join(macros.load(ROOT / "_config.yml"))
    assert not re.findall(r"\{[a-z:]+\}`.*", text)
    assert not re.findall(r"^(?:[`:]{3,}|\([\w-]+\)=).*", text, re.M)
    assert not re.findall(rf"\\(?:{names})(?![A-Za-z]).*", re.sub(r"`[^`\n]+`", "", text))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_notebook_keeps_nothing_that_differs_from_run_to_run(path):
    notebook = json.loads(path.read_text(encoding="utf8"))
    assert notebook["metadata"] == convert.KERNEL
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not any("id" in cell for cell in notebook["cells"])
    kinds = {kind for cell in code for output in cell["outputs"] for kind in output.get("data", {})}
    assert not any(kind.startswith("image/") for kind in kinds)
