"""Variational families: a distribution *is* the pytree of its parameters (chapter 4)."""

from vi_lab.families._base import Family
from vi_lab.families.bernoulli import Bernoulli
from vi_lab.families.flow import Coupling, Flow
from vi_lab.families.gaussian import FullRank, MeanField
from vi_lab.families.low_rank import LowRank
from vi_lab.families.mixture import Mixture

__all__ = ["Bernoulli", "Coupling", "Family", "Flow", "FullRank", "LowRank", "MeanField", "Mixture"]
