"""Where VI meets MCMC: chains that q starts and scales, q as a proposal, and q mended by either (chapter 7)."""

from vi_lab.mcmc.alternate import Alternation, Round, alternate
from vi_lab.mcmc.chains import Chains
from vi_lab.mcmc.correct import Corrected, correct
from vi_lab.mcmc.propose import propose
from vi_lab.mcmc.sample import sample
from vi_lab.mcmc.start import inverse_mass_matrix, warm_start

__all__ = [
    "Alternation",
    "Chains",
    "Corrected",
    "Round",
    "alternate",
    "correct",
    "inverse_mass_matrix",
    "propose",
    "sample",
    "warm_start",
]
