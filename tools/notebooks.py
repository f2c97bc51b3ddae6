"""Learners' notebooks from executed chapters: `python tools/notebooks.py write` or `check`.

The book's build leaves every chapter executed and makes its notebook; these verbs put it into notebooks/, or tell
how it differs from the one that lies there.
"""

import difflib
import json
import re
import sys
from pathlib import Path

import jupytext
import nbformat
from jupyter_cache import get_cache

import convert
import inputs

ROOT = Path(__file__).resolve().parent.parent
KERNEL = re.compile(r"---\n(?:(?!---).*\n)*?kernelspec:")
MOST_LINES = 60  # of a difference that are worth showing


def chapters(root: Path = ROOT) -> list[Path]:
    """The texts that become notebooks, which are those with a kernel, in the order of reading."""
    return [path for path in sorted((root / "chapters").glob("*.md")) if KERNEL.match(path.read_text(encoding="utf8"))]


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
    for path in chapters(root):
        try:
            notebook = convert.convert(execution(path, root), path, root, references)
        except ValueError as error:
            faults.append(str(error))
            continue
        if quiet := convert.silent(notebook):
            faults.append(f"{path.name}: these cells should show an output and do not: {quiet}")
        (out / f"{path.stem}.ipynb").write_text(convert.dumps(notebook), encoding="utf8")
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


def main(verb: str) -> int:
    built, kept = ROOT / "_build/html/notebooks", ROOT / "notebooks"
    # Without this, no build at all would count as a book without chapters, and `write` would empty the folder.
    if {path.stem for path in built.glob("*.ipynb")} != {path.stem for path in chapters()}:
        print("notebooks: no built notebooks: make book first", file=sys.stderr)
        return 1
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
