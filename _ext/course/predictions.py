"""The `prediction` directive: a question answered in the page, without kernel or script.

Each choice is a native disclosure; opening it shows whether it holds and why one would think so.
"""

import re
from html import escape

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

CHOICE = re.compile(r"^[-*] \[(?P<mark>[ xX])\] (?P<text>.+)$")


def choices(lines):
    """Split the body into (holds, choice, reason lines, line number of the choice)."""
    found = []
    for number, line in enumerate(lines):
        match = CHOICE.match(line)
        if match:
            found.append((match["mark"] != " ", match["text"].strip(), [], number))
        elif found:
            found[-1][2].append(line.strip())
        elif line.strip():
            raise ValueError(f"expected a choice '- [ ] ...', got {line!r}")
    return found


def check(found):
    """One sentence for each thing that makes a prediction unanswerable."""
    if len(found) < 2:
        raise ValueError(f"needs at least two choices, got {len(found)}")
    right = sum(holds for holds, *_ in found)
    if right != 1:
        raise ValueError(f"needs exactly one choice marked [x], got {right}")
    for _, text, reason, _ in found:
        if not any(reason):
            raise ValueError(f"the choice {text!r} has no reason under it")


class prediction(nodes.General, nodes.Element):
    """The question and its choices."""


class choice(nodes.General, nodes.Element):
    """One choice: what it says, then the verdict with the reason."""


class Prediction(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = {"name": directives.unchanged_required}  # noqa: RUF012 (the way docutils declares options)

    def run(self):
        if "name" not in self.options:
            raise self.error("prediction: needs a :name:")
        try:
            found = choices(self.content)
            check(found)
        except ValueError as error:
            raise self.error(f"prediction {self.options['name']!r}: {error}") from error
        name = nodes.make_id(self.options["name"])
        asked = self._inline(self.arguments[0])
        title = nodes.paragraph("", "", *asked, classes=["prediction-question"], ids=[f"{name}-question"])
        node = prediction("", title, ids=[name])
        for holds, text, reason, number in found:
            node += self._choice(name, holds, text, reason, self.content_offset + number)
        return [node]

    def _inline(self, text):
        return self.state.inline_text(text, self.lineno)[0]

    def _choice(self, group, holds, text, reason, line):
        body = nodes.container(classes=["prediction-reason"])
        self.state.nested_parse(StringList(reason), line + 1, body)
        verdict = nodes.strong("", "Yes." if holds else "Not quite.", classes=["prediction-verdict"])
        body.next_node(nodes.paragraph)[:0] = [verdict, nodes.Text(" ")]
        summary = nodes.inline("", "", *self._inline(text), classes=["prediction-choice"])
        return choice("", summary, body, group=group, holds=holds)


def visit_prediction(self, node):
    name = escape(node["ids"][0], quote=True)
    self.body.append(f'<div class="prediction" id="{name}" role="group" aria-labelledby="{name}-question">\n')


def depart_prediction(self, node):
    self.body.append("</div>\n")


def visit_choice(self, node):
    # The shared name lets one answer be open at a time; the summary is the first child.
    holds = "holds" if node["holds"] else "fails"
    self.body.append(f'<details class="prediction-{holds}" name="{escape(node["group"], quote=True)}">\n')
    summary, *body = node.children
    self.body.append("<summary>")
    summary.walkabout(self)
    self.body.append("</summary>\n")
    for child in body:
        child.walkabout(self)
    self.body.append("</details>\n")
    raise nodes.SkipNode


def setup(app):
    app.add_directive("prediction", Prediction)
    app.add_node(prediction, html=(visit_prediction, depart_prediction))
    app.add_node(choice, html=(visit_choice, None))
