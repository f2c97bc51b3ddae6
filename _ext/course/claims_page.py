"""The `claim` role, a small mark behind a sentence, and the `claims` directive: how each claim is proved."""

from functools import cache
from html import escape

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

import claims

LOG = logging.getLogger(__name__)
PAGE = "chapters/claims"


class claim_mark(nodes.General, nodes.Inline, nodes.Element):
    """Points from the claim to its proof, and is what the proof points back to."""


@cache
def proven():
    """The claims that have a proof, read once a build."""
    return {proof.claim for proof in claims.proofs()}


class ClaimRole(SphinxRole):
    def run(self):
        if self.text not in proven():
            # Its mark would lead to a line that the claims page does not have.
            LOG.warning(f"claim {self.text!r} has no proof in tests/claims", location=self.get_location())
        return [claim_mark("", claim=self.text)], []


def visit_mark(self, node):
    name = escape(node["claim"], quote=True)
    page = self.builder.get_relative_uri(self.builder.current_docname, PAGE)
    self.body[-1] = self.body[-1].rstrip()  # the mark stays with its sentence when lines break
    label = f"How this claim is proved: {name}"
    self.body.append(
        f'<sup class="claim" id="claimed-{name}">'
        f'<a href="{page}#claim-{name}" title="{label}" aria-label="{label}">✓</a></sup>'
    )
    raise nodes.SkipNode


class ClaimsTable(SphinxDirective):
    """Every claim in the order of reading, each with its oracle, its tolerance and the test."""

    def run(self):
        proofs = {}
        for proof in claims.proofs():
            proofs.setdefault(proof.claim, []).append(proof)
        for path in claims.ROOT.glob("tests/claims/*.py"):
            self.env.note_dependency(str(path))
        stated = claims.claims()
        body = nodes.tbody("", *(row for claim in stated for row in self._rows(claim, proofs.get(claim.claim, []))))
        head = nodes.thead("", _row("Claim", "Held against", "To within", "Test"))
        columns = [nodes.colspec(colwidth=width) for width in (20, 34, 26, 20)]
        group = nodes.tgroup("", *columns, head, body, cols=len(columns))
        return [nodes.table("", group, classes=["claims"])] if stated else []

    def _rows(self, claim, proofs):
        for number, proof in enumerate(proofs):
            named = claim_row("", claim=claim.claim, page=claim.page, first=number == 0)
            yield _row(
                named,
                proof.oracle,
                proof.tolerance,
                nodes.literal("", proof.test.removeprefix("tests/claims/")),
            )


class claim_row(nodes.General, nodes.Inline, nodes.Element):
    """The claim's name in the table, linked to where the book makes it."""


def visit_row(self, node):
    name = escape(node["claim"], quote=True)
    page = self.builder.get_relative_uri(self.builder.current_docname, node["page"])
    anchor = f' id="claim-{name}"' if node["first"] else ""
    self.body.append(f'<a{anchor} href="{page}#claimed-{name}">{name}</a>')
    raise nodes.SkipNode


def _row(*cells):
    made = [cell if isinstance(cell, nodes.Node) else nodes.Text(cell) for cell in cells]
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in made))


def setup(app):
    app.add_role("claim", ClaimRole())
    app.add_directive("claims", ClaimsTable)
    app.add_node(claim_mark, html=(visit_mark, None))
    app.add_node(claim_row, html=(visit_row, None))
