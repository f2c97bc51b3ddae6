"""The parts of MyST that the chapters use, rewritten as the plain Markdown that every notebook reader shows.

Chapters keep to a known list of directives and roles; anything else is an error, never left raw in a notebook.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import choices
import citations
import include
import macros

FENCE = re.compile(r"^(?P<fence>`{3,}|:{3,}|~{3,})\s*(?:\{(?P<name>[\w:-]+)\})?\s*(?P<argument>.*)$")
LABEL = re.compile(r"^\([\w:-]+\)=\s*$")
OPTION = re.compile(r"^:(?P<name>[\w-]+):\s*(?P<value>.*)$")
SPAN = re.compile(r"(?:\{(?P<role>[\w:-]+)\})?(?P<ticks>`+)(?P<body>.+?)(?P=ticks)", re.S)
# More blank lines than a paragraph needs; not in code, where two of them part functions.
GAP = re.compile(r"(?P<code>^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)$)|\n{3,}", re.M | re.S)
TITLED = re.compile(r"^(?P<title>.+?)\s*<(?P<target>[^<>]+)>$", re.S)
PAGE_LINK = re.compile(r"\]\((?!\w+:)(?P<page>\d[\w-]*)\.md(?:#[\w-]+)?\)")
TITLES = {"note": "Note", "tip": "Tip", "warning": "Warning", "important": "Important", "seealso": "See also"}


@dataclass(frozen=True)
class Chapter:
    """What the text of one chapter refers to."""

    path: Path
    glued: dict[str, object] = field(default_factory=dict)
    references: dict[str, dict] = field(default_factory=dict)
    bibliography: dict[str, citations.Entry] = field(default_factory=dict)
    macros: dict[str, tuple[str, int]] = field(default_factory=dict)

    def reference(self, label: str) -> dict:
        if label not in self.references:
            raise ValueError(f"{self.path.name}: reference to {label!r}, which the book does not have")
        return self.references[label]


def to_markdown(text: str, chapter: Chapter) -> str:
    """Rewrite a run of MyST, blocks and all."""
    lines, out, plain = text.splitlines(), [], []

    def flush():
        out.append(inline("\n".join(plain), chapter))
        plain.clear()

    at = 0
    while at < len(lines):
        opened = FENCE.match(lines[at])
        if not opened:
            if not LABEL.match(lines[at]) and not lines[at].startswith("%"):
                plain.append(lines[at])
            at += 1
            continue
        if opened["fence"][0] == "`" in opened["argument"]:
            # CommonMark then sees no fence here, and the closing one swallows what follows.
            raise ValueError(f"{chapter.path.name}: backticks in {lines[at]!r}: open the block with colons instead")
        end = _closing(lines, at, opened["fence"], chapter)
        flush()
        body = lines[at + 1 : end]
        out.append("\n".join(lines[at : end + 1]) if not opened["name"] else _block(opened, body, chapter))
        at = end + 1
    flush()
    return GAP.sub(lambda found: found["code"] or "\n\n", "\n".join(out)).strip()


def inline(text: str, chapter: Chapter) -> str:
    """Rewrite roles, macros and links to pages, leaving code spans alone."""
    out, at = [], 0
    for span in SPAN.finditer(text):
        before = text[at : span.start()]
        out.append(_prose(before.rstrip() if span["role"] == "claim" else before, chapter))
        out.append(_role(span["role"], span["body"], chapter) if span["role"] else span.group())
        at = span.end()
    return "".join([*out, _prose(text[at:], chapter)])


def _prose(text: str, chapter: Chapter) -> str:
    return PAGE_LINK.sub(r"](\g<page>.ipynb)", macros.expand(text, chapter.macros))


def _closing(lines: list[str], at: int, fence: str, chapter: Chapter) -> int:
    for end in range(at + 1, len(lines)):
        line = lines[end].strip()
        if line and set(line) == {fence[0]} and len(line) >= len(fence):
            return end
    raise ValueError(f"{chapter.path.name}: the block {lines[at]!r} is never closed")


def _role(role: str, body: str, chapter: Chapter) -> str:
    titled = TITLED.match(body)
    title, target = (titled["title"], titled["target"]) if titled else (None, body)
    if role == "claim":
        return ""
    if role == "glue:text":
        return _glued(body, chapter)
    if role in ("eq", "numref"):
        return chapter.reference(target)["text"]
    if role in ("cite:t", "cite:p"):
        return citations.cite(body, chapter.bibliography, parenthetical=role == "cite:p")
    if role == "ref":
        return _link(title, chapter.reference(target))
    if role == "doc":
        page = (chapter.path.parent / target).resolve().relative_to(chapter.path.parent.parent).as_posix()
        return _link(title, chapter.reference(f"doc:{page}"))
    if role == "download":
        return f"[{title or Path(target).name}]({target})"
    raise ValueError(f"{chapter.path.name}: the notebooks do not know the role {{{role}}}`{body}`")


def _link(title: str | None, found: dict) -> str:
    """A link where the page has a notebook of its own, its name elsewhere."""
    text, page = title or found["text"], Path(found["page"])
    is_chapter = page.parent.name == "chapters" and page.name[0].isdigit()
    return f"[{text}]({page.name}.ipynb)" if is_chapter else text


def _glued(body: str, chapter: Chapter) -> str:
    from myst_nb.core.variables import format_plain_text

    for key, style in ((body, ""), tuple(body.rpartition(":")[::2])):
        if key in chapter.glued:
            return format_plain_text(chapter.glued[key], style)
    raise ValueError(f"{chapter.path.name}: no cell glues {body!r}")


def _block(opened: re.Match, body: list[str], chapter: Chapter) -> str:
    name, argument = opened["name"], opened["argument"].strip()
    options, body = _options(body)
    if name == "math":
        return _math(options.get("label"), body, chapter)
    if name == "prediction":
        return _prediction(argument, body, chapter)
    if name == "literalinclude":
        return include.code(chapter.path.parent / argument, options, chapter.path.parent.parent)
    if name == "tab-set":
        return f"\n{to_markdown(chr(10).join(body), chapter)}\n"
    if name == "tab-item":
        return _tab(argument, body, chapter)
    if name in TITLES:
        return _box(TITLES[name], [argument, *body] if argument else body, options, chapter)
    if name in ("admonition", "dropdown"):
        return _box(argument, body, options | ({"class": "dropdown"} if name == "dropdown" else {}), chapter)
    raise ValueError(f"{chapter.path.name}: the notebooks do not know the directive {{{name}}}")


def _options(body: list[str]) -> tuple[dict[str, str], list[str]]:
    options = {}
    while body and (found := OPTION.match(body[0])):
        options[found["name"]] = found["value"].strip()
        body = body[1:]
    return options, body


def _math(label: str | None, body: list[str], chapter: Chapter) -> str:
    text = macros.expand("\n".join(body).strip(), chapter.macros)
    if r"\\" in text and r"\begin" not in text:
        text = f"\\begin{{aligned}}\n{text}\n\\end{{aligned}}"
    tag = f" \\tag{{{chapter.reference(label)['text'].strip('()')}}}" if label else ""
    return f"\n$$\n{text}{tag}\n$$\n"


def _box(title: str, body: list[str], options: dict[str, str], chapter: Chapter) -> str:
    inner = to_markdown("\n".join(body), chapter)
    if "dropdown" in options.get("class", ""):
        return _details(inline(title, chapter), inner)
    quoted = "\n".join(f"> {line}".rstrip() for line in inner.splitlines())
    return f"\n> **{inline(title, chapter)}**\n>\n{quoted}\n"


def _tab(title: str, body: list[str], chapter: Chapter) -> str:
    """A notebook has no tabs: one stands under the other, each under its title."""
    return f"\n**{inline(title, chapter)}**\n\n{to_markdown(chr(10).join(body), chapter)}\n"


def _prediction(question: str, body: list[str], chapter: Chapter) -> str:
    shown = [
        _details(inline(one.text, chapter), f"**{one.verdict}** {to_markdown(chr(10).join(one.reason), chapter)}")
        for one in choices.read(body)
    ]
    return f"\n**Predict.** {inline(question, chapter)}\n{''.join(shown)}"


def _details(summary: str, body: str) -> str:
    """A folded block; its summary is HTML, where Markdown's emphasis would show as asterisks."""
    summary = summary.replace("&", "&amp;").replace("<", "&lt;")
    summary = re.sub(r"`([^`]+)`", r"<code>\1</code>", summary)
    summary = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", summary)
    summary = re.sub(r"(?<![\w\\])\*([^*\n]+)\*(?!\w)", r"<i>\1</i>", summary)
    return f"\n<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>\n"
