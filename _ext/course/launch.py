"""Buttons that open a chapter's notebook in Binder or Colab, and the line that installs the library there.

They need the address of the repository that the book is built from.
Without one they are left out, and the build says so.
"""

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import repository

LOG = logging.getLogger(__name__)
UNKNOWN = "launch buttons left out: no repository address (set VI_LAB_REPOSITORY, or add a git remote named origin)"


def is_chapter(app, page):
    return page.startswith("chapters/") and "kernelspec" in app.env.metadata.get(page, {})


def notebook(page):
    return f"notebooks/{page.removeprefix('chapters/')}.ipynb"


def buttons(place, path):
    """What the theme's header makes of the hosts that can open the notebook at `path`."""
    hosts = [
        ("Binder", place.binder(path), "_static/images/logo_binder.svg"),
        ("Colab", place.colab(path), "_static/images/logo_colab.png"),
    ]
    links = [
        {"type": "link", "text": name, "tooltip": f"Run this chapter on {name}", "icon": icon, "url": url}
        for name, url, icon in hosts
        if url
    ]
    return {
        "type": "group",
        "tooltip": "Run this chapter online",
        "icon": "fas fa-rocket",
        "buttons": links,
        "label": "launch-buttons",
    }


def offer_notebook(app, page, template, context, doctree):
    """The download button hands out the notebook that the tests check, not the executed original."""
    if is_chapter(app, page):
        context["ipynb_source"] = f"../{notebook(page)}"


def add_buttons(app, page, template, context, doctree):
    place = repository.find()
    if place and is_chapter(app, page):
        group = buttons(place, notebook(page))
        if group["buttons"]:
            context["header_buttons"].insert(0, group)


def say_when_unknown(app):
    if repository.find() is None:
        LOG.info(UNKNOWN)


class InstallLine(SphinxDirective):
    """The cell that Colab needs first."""

    def run(self):
        place = repository.find()
        if place is None:
            line, why = "%pip install git+", " and the address of the repository, which this copy was built without."
            return [nodes.paragraph("", "", nodes.literal(line, line), nodes.Text(why))]
        line = f"%pip install git+{place.url}"
        return [nodes.literal_block(line, line, language="ipython3")]


def setup(app):
    app.add_directive("install-line", InstallLine)
    app.connect("builder-inited", say_when_unknown)
    # The theme reads ipynb_source at priority 501 and has made its list of buttons by 500.
    app.connect("html-page-context", offer_notebook, priority=500)
    app.connect("html-page-context", add_buttons, priority=502)
