"""Executed outputs are reused only while the library, the lock and the Python are the same.

jupyter-cache looks at a chapter's own cells alone, so an edited library would keep showing its old numbers.
"""

import shutil
from pathlib import Path

import inputs


def choose_cache(app, config):
    """Give every state of the library its own cache, and drop those of other states."""
    mine = inputs.cache(Path(app.srcdir))
    if mine.parent.is_dir():
        for other in mine.parent.iterdir():
            if other != mine:
                shutil.rmtree(other) if other.is_dir() else other.unlink()
    # Sphinx reads a page again when this setting changes, so no page keeps an old state either.
    config.nb_execution_cache_path = str(mine)


def setup(app):
    app.connect("config-inited", choose_cache)
