"""Models with a known truth: a log joint, and whatever is exact beside it (chapter 2)."""

from vi_lab.models._base import Model, Normalized
from vi_lab.models.bioassay import bioassay
from vi_lab.models.conjugate import conjugate_normal, conjugate_regression
from vi_lab.models.targets import bimodal, gaussian

__all__ = [
    "Model",
    "Normalized",
    "bimodal",
    "bioassay",
    "conjugate_normal",
    "conjugate_regression",
    "gaussian",
]
