"""Expectation propagation: the forward KL, one factor of the posterior at a time (chapter 4).

The posterior is proportional to p(z) t_1(z) ... t_n(z). EP keeps a Gaussian q(z) proportional to
p(z) s_1(z) ... s_n(z), with sites s_i(z) = exp(shift_i u - precision_i u^2 / 2) of the projection u = a_i . z on
which the factor t_i depends, and repairs one site after another. All that it needs of a factor is the logarithm
of its average under a Gaussian, whose derivatives hold the moments.
"""

from vi_lab.ep.result import Result
from vi_lab.ep.run import expectation_propagation

__all__ = ["Result", "expectation_propagation"]
