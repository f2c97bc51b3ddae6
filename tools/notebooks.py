"""Learners' notebooks from executed chapters: `python tools/notebooks.py write` or `check`.

The book's build leaves every chapter executed; here it becomes a small notebook that reads well anywhere and is the
same to the byte each time: text outputs stay (nbval compares them), pictures, ids and timings go.
"""

import difflib
import json
import sys
from pathlib import Path

import jupytext
import nbformat
from jupyter_cache import get_cache

import cells
import citations
import inputs
import macros
import myst

ROOT = Path(__file__).resolve().parent.parent
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
MOST_LINES = 60  # of a difference that are worth showing
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


def execution(path: Path, root: Path = ROOT) -> dict:
    """The chapter with the outputs of its last execution."""
    try:
        _, executed = get_cache(inputs.cache(root)).merge_match_into_notebook(jupytext.read(path))
    except KeyError as error:
        raise ValueError(f"{path.name}: edited while the book was being built, so build again") from error
    # myst-nb leaves this file without outputs whenever it took them from its cache.
    nbformat.write(executed, root / "_build/jupyter_execute/chapters" / f"{path.stem}.ipynb")
    return executed


def build(root: Path = ROOT) -> list[str]:
    """Write every chapter's notebook beside the pages of the book; what went wrong, a sentence a chapter."""
    references = json.loads((root / "_build/references.json").read_text(encoding="utf8"))
    out = root / "_build/html/notebooks"
    out.mkdir(exist_ok=True)
    faults = []
    for path in sorted((root / "chapters").glob("[0-9]*.md")):
        try:
            notebook = convert(execution(path, root), path, root, references)
        except ValueError as error:
            faults.append(str(error))
            continue
        if quiet := silent(notebook):
            faults.append(f"{path.name}: these cells should show an output and do not: {quiet}")
        (out / f"{path.stem}.ipynb").write_text(dumps(notebook), encoding="utf8")
    return faults


def differences(built: Path, kept: Path) -> list[str]:
    """How the kept notebooks differ from those just built; empty when regenerating changes nothing."""
    found = []
    for name in sorted({path.name for folder in (built, kept) for path in folder.glob("*.ipynb")}):
        texts = [(folder / name).read_text("utf8") if (folder / name).exists() else "" for folder in (kept, built)]
        if texts[0] != texts[1]:
            lines = [text.splitlines(keepends=True) for text in texts]
            diff = list(difflib.unified_diff(*lines, f"notebooks/{name}", f"regenerated/{name}"))
            found.append("".join(diff[:MOST_LINES]) + (f"... {len(diff)} lines in all\n" if diff[MOST_LINES:] else ""))
    return found


def write(built: Path, kept: Path) -> None:
    """Make the kept notebooks what was built, leaving no notebook of a chapter that is gone."""
    kept.mkdir(exist_ok=True)
    for path in kept.glob("*.ipynb"):
        if not (built / path.name).exists():
            path.unlink()
    for path in built.glob("*.ipynb"):
        (kept / path.name).write_bytes(path.read_bytes())


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


def main(verb: str) -> int:
    built, kept = ROOT / "_build/html/notebooks", ROOT / "notebooks"
    if verb == "write":
        write(built, kept)
        print(f"notebooks: wrote {len(list(kept.glob('*.ipynb')))} to notebooks/")
        return 0
    found = differences(built, kept)
    print("\n".join(found) if found else "notebooks: regenerating changes nothing")
    if found:
        print("notebooks: these are not what the chapters generate; `make notebooks` writes them anew")
    return bool(found)


if __name__ == "__main__":
    if sys.argv[1:] not in (["write"], ["check"]):
        sys.exit("usage: python tools/notebooks.py write|check")
    sys.exit(main(sys.argv[1]))
