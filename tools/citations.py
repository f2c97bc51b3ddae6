"""Author-year citations from references.bib, as the book's own bibliography shows them."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """What a citation shows: family names, the year, and an address when there is one."""

    names: tuple[str, ...]
    year: str
    url: str | None = None

    @property
    def authors(self) -> str:
        if len(self.names) > 2:
            return f"{self.names[0]} et al."
        return " and ".join(self.names)


def load(path: Path) -> dict[str, Entry]:
    """From every key of a BibTeX file to what its citation shows."""
    from pybtex.database import parse_file

    return {key: _entry(found) for key, found in parse_file(str(path)).entries.items()}


def cite(keys: str, bibliography: dict[str, Entry], *, parenthetical: bool) -> str:
    """`Author (year)`, or `(Author, year)` when parenthetical, linked where the entry has an address."""
    cited = [_one(key.strip(), bibliography, parenthetical) for key in keys.split(",")]
    return f"({'; '.join(cited)})" if parenthetical else ", ".join(cited)


def _one(key: str, bibliography: dict[str, Entry], parenthetical: bool) -> str:
    if key not in bibliography:
        raise ValueError(f"citation of {key!r}, which references.bib does not have")
    entry = bibliography[key]
    text = f"{entry.authors}, {entry.year}" if parenthetical else f"{entry.authors} ({entry.year})"
    return f"[{text}]({entry.url})" if entry.url else text


def _entry(found) -> Entry:
    from pybtex.richtext import Text

    people = found.persons.get("author") or found.persons.get("editor") or []
    names = tuple(str(Text.from_latex(" ".join([*who.prelast_names, *who.last_names]))) for who in people)
    doi = found.fields.get("doi")
    url = f"https://doi.org/{doi}" if doi else found.fields.get("url")
    return Entry(names, re.sub(r"\D", "", found.fields.get("year", "")), url)
