"""A museum of fits that went wrong, frozen, and of ten that did not (chapter 6)."""

from functools import partial

from vi_lab import _checks as check
from vi_lab.museum import beliefs, climbs, good, joints, modes, shapes
from vi_lab.museum.exhibit import Case, Exhibit, Reference, open_case

CASES = {**modes.CASES, **shapes.CASES, **climbs.CASES, **joints.CASES, **beliefs.CASES}
EXHIBITS = {name: partial(open_case, name, case) for name, case in CASES.items()}
GOOD = {name: partial(open_case, name, case) for name, case in good.CASES.items()}

__all__ = ["CASES", "EXHIBITS", "GOOD", "Case", "Exhibit", "Reference", "exhibit"]


def exhibit(name: str) -> Exhibit:
    """The exhibit of this name, or the good fit: model, frozen q, what was seen, ELBOs in nats (chapter 6).

    `EXHIBITS` and `GOOD` hold the names, in order; their values make the exhibits, without fitting anything.

    Raises:
        ValueError: a name that is in neither.
    """
    rooms = {**EXHIBITS, **GOOD}
    check.check_option("name", name, rooms)
    return rooms[name]()
