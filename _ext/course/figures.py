"""Alternative text for executed figures: what `plots.show` says in words, before the digest of the data."""

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

LOG = logging.getLogger(__name__)
DIGEST = "[data]"


def alternative_text(plain: str) -> str:
    """The description that precedes the digest, on one line."""
    return " ".join(plain.split(DIGEST)[0].split())


def _with_mime(bundle, prefix):
    return [child for child in bundle.children if child["mime_type"].startswith(prefix)]


class DescribeFigures(SphinxPostTransform):
    # Before myst-nb keeps one representation of each output and drops the others (priority 4).
    default_priority = 3

    def run(self, **kwargs):
        is_bundle = lambda node: isinstance(node, nodes.container) and node.get("nb_element") == "mime_bundle"  # noqa: E731
        for bundle in self.document.findall(is_bundle):
            plain = "".join(child.astext() for child in _with_mime(bundle, "text/plain"))
            described = "" if plain.startswith("<Figure") else alternative_text(plain)
            for picture in _with_mime(bundle, "image/"):
                for image in picture.findall(nodes.image):
                    image["alt"] = described
        for image in self.document.findall(nodes.image):
            if not image.get("alt"):
                LOG.warning(
                    "a figure has no alternative text: end the cell with plots.show(fig, alt=...)",
                    location=image,
                )


def setup(app):
    app.add_post_transform(DescribeFigures)
