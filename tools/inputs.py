"""What a build depends on, as one digest: the same digest means that nothing changed."""

import hashlib
import platform
from collections.abc import Iterable
from pathlib import Path

import repository

ROOT = Path(__file__).resolve().parent.parent
# What executed cells can see besides their own text.
EXECUTION = ("vi_lab", "requirements.txt")
# What rendered pages can show besides.
PAGES = (
    "_config.yml",
    "_ext",
    "_static",
    "_toc.yml",
    "chapters",
    "exercises",
    "intro.md",
    "references.bib",
    "tests/claims",
    "tools",
)


def files(names: Iterable[str], root: Path = ROOT) -> list[Path]:
    """The files under the named files and folders, in one order everywhere."""
    found = set()
    for name in names:
        place = root / name
        found.update([place] if place.is_file() else (path for path in place.rglob("*") if path.is_file()))
    return sorted(path for path in found if "__pycache__" not in path.parts and ".ipynb_checkpoints" not in path.parts)


def digest(names: Iterable[str], *extra: str, root: Path = ROOT) -> str:
    """A digest of names and contents of the files, and of whatever else is passed."""
    total = hashlib.sha256(repr(extra).encode())
    for path in files(names, root):
        total.update(repr(str(path.relative_to(root))).encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def execution_key(root: Path = ROOT) -> str:
    """Changes when a chapter executed before could now give other outputs."""
    return digest(EXECUTION, platform.python_version(), platform.machine(), root=root)


def cache(root: Path = ROOT) -> Path:
    """Where executed chapters are kept: every state of the library has a place of its own."""
    return root / "_build/.jupyter_cache" / execution_key(root)[:16]


def book_key(root: Path = ROOT) -> str:
    """Changes when a book built before could now look different."""
    return digest(PAGES, execution_key(root), repr(repository.find(root=root)), root=root)
