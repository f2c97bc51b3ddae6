"""The body of a prediction: choices of one line, each with indented lines that give the reason."""

import re
from collections.abc import Iterable
from typing import NamedTuple

START = re.compile(r"^[-*] \[(?P<mark>[ xX])\] (?P<text>.+)$")


class Choice(NamedTuple):
    """One answer that a reader may pick."""

    holds: bool
    text: str
    reason: list[str]
    line: int  # of the body, counted from zero

    @property
    def verdict(self) -> str:
        return "Yes." if self.holds else "Not quite."


def read(lines: Iterable[str]) -> list[Choice]:
    """The choices in order; ValueError for anything that makes the question unanswerable."""
    found: list[Choice] = []
    for number, line in enumerate(lines):
        if start := START.match(line):
            found.append(Choice(start["mark"] != " ", start["text"].strip(), [], number))
        elif found:
            found[-1].reason.append(line.strip())
        elif line.strip():
            raise ValueError(f"expected a choice '- [ ] ...', got {line!r}")
    if len(found) < 2:
        raise ValueError(f"needs at least two choices, got {len(found)}")
    if (right := sum(choice.holds for choice in found)) != 1:
        raise ValueError(f"needs exactly one choice marked [x], got {right}")
    for choice in found:
        if not any(choice.reason):
            raise ValueError(f"the choice {choice.text!r} has no reason under it")
    return found
