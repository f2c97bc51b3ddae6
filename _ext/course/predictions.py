"""The `prediction` directive: a question answered in the page, without kernel or script.

Each choice is a native disclosure; opening it shows whether it holds and why one would think so.
"""

from html import escape

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

import choices


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
            found = choices.read(self.content)
        except ValueError as error:
            raise self.error(f"prediction {self.options['name']!r}: {error}") from error
        name = nodes.make_id(self.options["name"])
        asked = self._inline(self.arguments[0])
        title = nodes.paragraph("", "", *asked, classes=["prediction-question"], ids=[f"{name}-question"])
        node = prediction("", title, ids=[name])
        for one in found:
            node += self._choice(name, one)
        return [node]

    def _inline(self, text):
        return self.state.inline_text(text, self.lineno)[0]

    def _choice(self, group, one):
        body = nodes.container(classes=["prediction-reason"])
        self.state.nested_parse(StringList(one.reason), self.content_offset + one.line + 1, body)
        verdict = nodes.strong("", one.verdict, classes=["prediction-verdict"])
        body.next_node(nodes.paragraph)[:0] = [verdict, nodes.Text(" ")]
        summary = nodes.inline("", "", *self._inline(one.text), classes=["prediction-choice"])
        return choice("", summary, body, group=group, holds=one.holds)


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
