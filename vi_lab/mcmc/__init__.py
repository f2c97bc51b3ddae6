"""Where VI meets MCMC: chains that q starts and scales, q as a proposal, and q mended by either (chapter 7).

| function | gives | blind to |
|---|---|---|
| `warm_start` | places to start from | modes that q lacks, and R-hat is then blind to them, too |
| `inverse_mass_matrix` | a metric | scales that change from place to place |
| `sample` | chains of NUTS or HMC, with what went wrong | what none of the starts leads to |
| `propose` | a chain whose proposals are q's draws | for how long it stays in a tail that q lacks |
| `correct` | weights that mend q where it has draws | modes that no draw has met; k-hat does not tell |
| `alternate` | a mixture of the modes that chains found | modes that no start leads to; shapes unlike a Gaussian |
"""

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
