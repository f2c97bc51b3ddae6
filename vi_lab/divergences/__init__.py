"""Divergences between distributions, in nats: closed forms, quadrature, Monte Carlo (chapter 1).

Direction: `kl(q, p)` is KL(q || p), the expectation under its *first* argument.
"""

from vi_lab.divergences.closed import Gaussian, kl
from vi_lab.divergences.estimates import Density, Estimate, kl_monte_carlo, kl_quadrature
from vi_lab.divergences.orders import alpha_divergence, chi2, renyi

__all__ = [
    "Density",
    "Estimate",
    "Gaussian",
    "alpha_divergence",
    "chi2",
    "kl",
    "kl_monte_carlo",
    "kl_quadrature",
    "renyi",
]
