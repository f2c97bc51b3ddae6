"""The learner's notebook of one executed chapter: it reads well anywhere, and is the same to the byte each time.

Text outputs stay (nbval compares them); pictures, ids and timings go.
"""

import json
from pathlib import Path

import cells
import citations
import macros
import myst

ROOT = Path(__file__).resolve().parent.parent
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
GLUE = "application/papermill.record/text/plain"
NOTICE = (
    "*Generated from `{source}`; edit that, or a copy of this. Run the cells in order. "
    "Where `vi_lab` is not installed, as on Colab, first run the install line of the book's front page.*"
)


def convert(executed: dict, source: Path, root: Path = ROOT, references: dict | None = None) -> dict:
    """The learner's notebook of one executed chapter."""
    chapter = myst.Chapter(
        source,
        glued=_glued(executed["cells"]),
        references=references or {},
        bibliography=citations.load(root / "references.bib"),
        macros=macros.load(root / "_config.yml"),
    )
    _check_dropped(executed["cells"], source)
    made = []
    for cell in executed["cells"]:
        if cell["cell_type"] == "markdown":
            made.append(_markdown(myst.to_markdown(_text(cell["source"]), chapter)))
        elif not _is_glue(cell):
            made += _code(cell, chapter)
    made = [cell for cell in made if cell["source"]]
    made.insert(1, _markdown(NOTICE.format(source=f"chapters/{source.name}")))
    for count, cell in enumerate((cell for cell in made if cell["cell_type"] == "code"), start=1):
        cell["execution_count"] = count
        for output in cell["outputs"]:
            if output["output_type"] == "execute_result":
                output["execution_count"] = count
    return {"cells": made, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 4}


def dumps(notebook: dict) -> str:
    """As JSON with one line of text a line, so that a change reads well in a diff."""
    for cell in notebook["cells"]:
        cell["source"] = _text(cell["source"]).splitlines(keepends=True)
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def silent(notebook: dict) -> list[str]:
    """The first lines of cells that should show something and do not."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and not cell["outputs"]]
    return [text.splitlines()[0] for text in (_text(cell["source"]) for cell in code) if cells.shows(text)]


def _text(source) -> str:
    return source if isinstance(source, str) else "".join(source)


def _markdown(text: str) -> dict:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def _code(cell: dict, chapter: myst.Chapter) -> list[dict]:
    """A code cell, and under a figure its numbered caption."""
    tags = cell["metadata"].get("tags", [])
    metadata = {"jupyter": {"source_hidden": True}} if "hide-input" in tags else {}
    kept = [tag for tag in tags if tag not in ("hide-input", "hide-output")]
    metadata |= {"tags": kept} if kept else {}
    outputs = _outputs(cell["outputs"])
    made = {"cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": outputs}
    made["source"] = _text(cell["source"])
    figure = cell["metadata"].get("mystnb", {}).get("figure")
    if not figure:
        return [made]
    number = chapter.reference(figure["name"])["text"]
    return [made, _markdown(f"**{number}.** {myst.inline(figure['caption'].strip(), chapter)}")]


def _outputs(outputs: list[dict]) -> list[dict]:
    """Text outputs without what differs from run to run; neighboring pieces of one stream are one."""
    kept: list[dict] = []
    for output in outputs:
        made = {key: value for key, value in output.items() if key in ("output_type", "name", "text", "data")}
        if "data" in made:
            made["data"] = {kind: value for kind, value in made["data"].items() if not kind.startswith("image/")}
            made["metadata"] = {}
        if "text" in made:
            made["text"] = _text(made["text"])
            if kept and kept[-1].get("name") == made["name"]:
                kept[-1]["text"] += made["text"]
                continue
        kept.append(made)
    return kept


def _is_glue(cell: dict) -> bool:
    return "remove-cell" in cell["metadata"].get("tags", [])


def _glued(executed: list[dict]) -> dict[str, str]:
    """Every glued value, as the text that Python prints for it."""
    outputs = [output for cell in executed if _is_glue(cell) for output in cell["outputs"]]
    named = {output.get("metadata", {}).get("scrapbook", {}).get("name"): output for output in outputs}
    return {name: _text(output["data"][GLUE]) for name, output in named.items() if name}


def _check_dropped(executed: list[dict], source: Path) -> None:
    """Cells that glue are dropped, so a cell that stays must not need them."""
    code = [cell for cell in executed if cell["cell_type"] == "code"]
    dropped, kept = ([_text(cell["source"]) for cell in code if _is_glue(cell) == which] for which in (True, False))
    if names := cells.lost(dropped, kept):
        raise ValueError(f"{source.name}: cells use {sorted(names)}, which only a remove-cell defines")
