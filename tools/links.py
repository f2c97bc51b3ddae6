"""Whether all that a built page points at is there: pages, anchors, images, and the way from one page to the next."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

POINTERS = ("href", "src", "data", "action", "poster")
WITHIN = ("aria-labelledby", "aria-describedby", "aria-controls", "for")  # by which a page points into itself
VERBATIM = {"script", "style", "pre", "code"}
# What Sphinx and MyST leave in the text where they could not resolve a reference.
UNRESOLVED = re.compile(r"\?\?|\{(?:ref|eq|numref|doc|claim|download|glue:\w+|cite(?::\w+)?)\}")
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", re.I)
HTTP_ONLY = {"joschu.net"}  # which answers no https
LABEL = re.compile(r"^\(([\w:.-]+)\)=[ \t]*\n(?:[ \t]*\n)*(#?)", re.M)


@dataclass
class Page:
    """What one file says: where one can point into it, and where, in which line, it points itself."""

    anchors: Counter = field(default_factory=Counter)
    pointers: list[tuple[int, str]] = field(default_factory=list)
    unresolved: list[tuple[int, str]] = field(default_factory=list)
    turns: dict[str, str] = field(default_factory=dict)  # "previous", "next" -> address


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.page, self.verbatim = Page(), 0

    def handle_starttag(self, tag, attributes):
        line, found = self.getpos()[0], {name: value for name, value in attributes if value}
        self.verbatim += tag in VERBATIM
        self.page.anchors.update({found["id"]} if "id" in found else ())
        self.page.pointers += [(line, found[name]) for name in POINTERS if name in found]
        self.page.pointers += [(line, f"#{anchor}") for name in WITHIN for anchor in found.get(name, "").split()]
        for style, turn in (("left-prev", "previous"), ("right-next", "next")):
            if tag == "a" and style in found.get("class", "").split():
                self.page.turns[turn] = found["href"]

    def handle_endtag(self, tag):
        self.verbatim -= tag in VERBATIM

    def handle_data(self, data):
        if not self.verbatim:
            self.page.unresolved += [(self.getpos()[0], match[0]) for match in UNRESOLVED.finditer(data)]


@cache
def read(path: Path) -> Page:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf8"))
    reader.close()
    return reader.page


def files(html: Path) -> list[Path]:
    """Every page; what the theme keeps in _static are templates."""
    return [path for path in sorted(html.rglob("*.html")) if "_static" not in path.relative_to(html).parts]


def faults(html: Path) -> list[str]:
    """One sentence for each thing that a page points at in vain, once a page however often it does."""
    found = []
    for path in files(html):
        page, name = read(path), path.relative_to(html)
        said = {f"{text!r} stands where a reference should": line for line, text in reversed(page.unresolved)}
        said |= {f"the anchor {anchor!r} stands {n} times": 1 for anchor, n in page.anchors.items() if n > 1}
        # Backwards, so that of equal pointers the first one's line remains.
        said |= {fault: line for line, link in reversed(page.pointers) for fault in _of_link(link, path, html)}
        found += [f"{name}:{line}: {fault}" for fault, line in sorted(said.items(), key=lambda item: item[1])]
    return found


def _of_link(link: str, path: Path, html: Path) -> Iterator[str]:
    parts = urlsplit(link)
    if parts.scheme == "data":
        return
    if parts.scheme or parts.netloc:
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HTTP_ONLY)
        if not secure or not HOST.fullmatch(parts.hostname or "") or re.search(r"\s", link):
            yield f"{link!r} is no address of the form https://host/..."
        return
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if parts.path.startswith("/") or not target.is_relative_to(html):
        yield f"{link!r} leads out of the book"
    elif not target.is_file() or not target.stat().st_size:
        yield f"{link!r} leads to a file that is not there or empty"
    elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in read(target).anchors:
        yield f"{link!r} leads to a page that has no such anchor"


def astray(html: Path, names: list[str]) -> list[str]:
    """The pages, in the order of the table of contents, from which one cannot turn to their neighbors or to all."""
    found, paths = [], [html / f"{name}.html" for name in names]
    for i, path in enumerate(paths):
        page = read(path)
        for turn, j in (("previous", i - 1), ("next", i + 1)):
            expected = paths[j] if 0 <= j < len(paths) else None
            got = (path.parent / page.turns[turn]).resolve() if turn in page.turns else None
            if got != expected:
                found.append(f"{names[i]}: {turn} leads to {got}, and {expected} is the neighbor")
        seen = {path, *((path.parent / urlsplit(link).path).resolve() for _, link in page.pointers)}
        unseen = [name for name, other in zip(names, paths, strict=True) if other not in seen]
        found += [f"{names[i]}: no link to {name}" for name in unseen]
    return found


def unused_labels(root: Path, names: list[str]) -> list[str]:
    """Labels that nothing points at, except those of pages: a leftover, or a reference that was meant and not made.

    The names of equations and figures are none: their numbers stand on the page for whoever wants to cite them.
    """
    texts = {name: (root / f"{name}.md").read_text(encoding="utf8") for name in names}
    whole = "\n".join(texts.values())
    found = []
    for name, text in texts.items():
        page_label = next((match.start() for match in LABEL.finditer(text) if match[2]), None)
        for match in LABEL.finditer(text):
            used = re.search(rf"\{{(?:ref|numref|eq)\}}`(?:[^`<]*<)?{re.escape(match[1])}>?`", whole)
            used = used or re.search(rf"\]\(#?{re.escape(match[1])}\)", whole)
            if match.start() != page_label and not used:
                found.append(f"{name}.md: nothing points at the label {match[1]!r}")
    return found
