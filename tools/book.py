"""Execute the chapters and render the book into _build/html, unless nothing changed since the last time."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

import inputs
import notebooks

ROOT = Path(__file__).resolve().parent.parent
ANSI = re.compile(r"\x1b\[[0-9;]*m")
# What is worth seeing while it runs; all of it is in the log.
SHOWN = re.compile(r"\[mystnb\]$|: (WARNING|ERROR|CRITICAL):|^(WARNING|ERROR):|^launch buttons")
FAILURE = re.compile(
    r"^(?P<page>\S+\.md): WARNING: Executing notebook failed.*?"
    r"^-{5,}\n(?P<source>.+?)^-{5,}\n(?P<traceback>.*?)\[mystnb\.exec\]",
    re.S | re.M,
)
ERROR = re.compile(r"^[\w.]+(?:Error|Exception|Interrupt|Exit|Iteration)(?:: .*)?$", re.M)


def pages(root: Path = ROOT) -> list[str]:
    """Every page that the table of contents names, in its order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf8"))
    return [toc["root"], *(name for part in toc.get("parts", [toc]) for name in _files(part))]


def _files(entry: dict) -> Iterator[str]:
    """The pages below one entry: a part's chapters, a chapter's further pages."""
    for page in [*entry.get("chapters", []), *entry.get("sections", [])]:
        yield page["file"]
        yield from _files(page)


def missing(root: Path = ROOT) -> list[str]:
    """The pages and notebooks that were not built."""
    files = [f"{page}.html" for page in pages(root)]
    files += [f"notebooks/{chapter.stem}.ipynb" for chapter in notebooks.chapters(root)]
    return [name for name in files if not (root / "_build/html" / name).exists()]


def failed_cells(log: str) -> list[str]:
    """One sentence for every chapter that stopped: which cell, how it begins, and the error."""
    found = []
    for failure in FAILURE.finditer(log):
        number = re.search(r"Cell In\[(\d+)\]", failure["traceback"])
        cell = f"cell {number[1]}" if number else "a cell"
        error = ERROR.search(failure["traceback"])
        begins = failure["source"].strip().splitlines()[0]
        found.append(
            f"{failure['page']}: {cell}, which begins `{begins}`, failed: {error[0] if error else 'see the log'}"
        )
    return found


def crash(log: str) -> list[str]:
    """What stopped Sphinx itself, when no page was at fault."""
    found = None if ": WARNING: " in log else ERROR.search(log)
    return [found[0]] if found else []


def render(root: Path = ROOT) -> tuple[int, str]:
    """One full run of Jupyter Book, where a warning is an error: its status, and all that it said."""
    shutil.rmtree(root / "_build/html", ignore_errors=True)
    program = Path(sys.executable).parent / "jupyter-book"
    command = [str(program), "build", str(root), "--all", "-W", "-n", "--keep-going"]
    # XLA would look for an accelerator; the numbers of the book are those of a CPU.
    settings = {"JAX_PLATFORMS": "cpu"} | dict(os.environ)
    said = []
    with subprocess.Popen(
        command, cwd=root, env=settings, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as running:
        for raw in running.stdout:
            line = ANSI.sub("", raw).rstrip("\n")
            said.append(line)
            if SHOWN.search(line):
                print("book:", line.replace(f"{root}/", ""), flush=True)
    return running.returncode, "\n".join(said)


def build() -> list[str]:
    """Render the pages and make the notebooks; what went wrong, in sentences, or nothing."""
    status, said = render()
    log = ROOT / "_build/book.log"
    log.write_text(said, encoding="utf8")
    if status:
        said = said.replace(f"{ROOT}/", "")
        return [f"the build failed; all of it is in {log}", *(failed_cells(said) or crash(said))]
    return notebooks.build(ROOT) or [f"{name} was not built" for name in missing()]


def main() -> int:
    key, cache, marker = inputs.book_key(), inputs.cache(), ROOT / "_build/made-from"
    if marker.exists() and marker.read_text() == key and not missing():
        print("book: _build/html/index.html is up to date")
        return 0
    print("book: executing the chapters and rendering (some minutes when all is new)", flush=True)
    marker.unlink(missing_ok=True)
    faults = build()
    if inputs.book_key() != key:
        # What was executed may be of either state, and nothing of it may pass for the one that stood at the start.
        shutil.rmtree(cache, ignore_errors=True)
        faults.append("files changed while it was being built; run make book again")
    if faults:
        print("\n".join(f"book: {fault}" for fault in faults), file=sys.stderr)
        return 1
    marker.write_text(key)
    print("book: _build/html/index.html is ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
