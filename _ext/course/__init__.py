"""The course's own Sphinx extension: one small module for each thing it adds to Jupyter Book."""

import sys
from pathlib import Path

# The claims, the build's inputs and the repository's address are tools of the whole house, not of Sphinx.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from . import claims_page, figures, fresh, launch, predictions, references


def setup(app):
    for module in (claims_page, figures, fresh, launch, predictions, references):
        module.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
