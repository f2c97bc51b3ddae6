r"""LaTeX macros of the book, such as \KL{q}{p}, expanded for notebooks, whose readers do not know them."""

import re
from pathlib import Path

import yaml

NAME = re.compile(r"\\([A-Za-z]+)")


def load(config: Path) -> dict[str, tuple[str, int]]:
    """From every macro's name to its body and how many arguments it takes: the table that MathJax gets."""
    table = yaml.safe_load(config.read_text(encoding="utf8"))["sphinx"]["config"]["mathjax3_config"]["tex"]["macros"]
    return {name: (body, 0) if isinstance(body, str) else (body[0], body[1]) for name, body in table.items()}


def expand(text: str, table: dict[str, tuple[str, int]]) -> str:
    r"""Replace every macro of the table, the ones inside its arguments and body included."""
    out, at = [], 0
    while found := NAME.search(text, at):
        body, count = table.get(found[1], (None, 0))
        out.append(text[at : found.start()])
        at = found.end()
        if body is None:
            out.append(found.group())
            continue
        arguments = []
        for _ in range(count):
            argument, at = _argument(text, at, found[1])
            arguments.append(expand(argument, table))
        filled = re.sub(r"#(\d)", lambda place, given=arguments: given[int(place[1]) - 1], body)
        filled = expand(filled, {name: entry for name, entry in table.items() if name != found[1]})
        # A name ends at the first non-letter; what takes its place must not run into the letters after it.
        runs_on = filled[-1:].isalpha() and text[at : at + 1].isalpha()
        out.append(filled + " " if runs_on else filled)
    return "".join([*out, text[at:]])


def _argument(text: str, at: int, name: str) -> tuple[str, int]:
    """One TeX argument from position `at`: a braced group, a control word, or a single character."""
    while at < len(text) and text[at].isspace():
        at += 1
    if at >= len(text):
        raise ValueError(f"\\{name} lacks an argument in {text!r}")
    if text[at] == "\\" and (word := NAME.match(text, at)):
        return word.group(), word.end()
    if text[at] != "{":
        return text[at], at + 1
    depth = 0
    for end in range(at, len(text)):
        escaped = text[end - 1] == "\\"
        depth += ((text[end] == "{") - (text[end] == "}")) * (not escaped)
        if depth == 0:
            return text[at + 1 : end], end + 1
    raise ValueError(f"\\{name} has an argument that is never closed in {text!r}")
