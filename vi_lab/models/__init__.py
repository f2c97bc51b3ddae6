"""Models with a known truth: a log joint, and whatever is exact beside it (chapter 2)."""

from vi_lab.models._base import Model, Normalized, Sites
from vi_lab.models.banana import Banana, banana
from vi_lab.models.bioassay import bioassay
from vi_lab.models.clutter import clutter
from vi_lab.models.conjugate import conjugate_normal, conjugate_regression
from vi_lab.models.eight_schools import eight_schools
from vi_lab.models.funnel import Funnel, funnel
from vi_lab.models.logistic import logistic_regression
from vi_lab.models.moons import Crescent, two_moons
from vi_lab.models.probit import probit
from vi_lab.models.selection import Enumerated, variable_selection
from vi_lab.models.targets import bimodal, gaussian, ill_conditioned

__all__ = [
    "Banana",
    "Crescent",
    "Enumerated",
    "Funnel",
    "Model",
    "Normalized",
    "Sites",
    "banana",
    "bimodal",
    "bioassay",
    "clutter",
    "conjugate_normal",
    "conjugate_regression",
    "eight_schools",
    "funnel",
    "gaussian",
    "ill_conditioned",
    "logistic_regression",
    "probit",
    "two_moons",
    "variable_selection",
]
