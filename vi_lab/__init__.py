"""vi_lab: variational inference in small, readable JAX.

A distribution is the pytree of its parameters; everything else is a pure function of it. Divergences, bounds
and entropies are in nats; the expectation of `kl(q, p)` is under its first argument. Arguments come in one
order: q (what is differentiated), key, log_joint, then keyword-only settings. `from vi_lab import plots` adds
the course's figures, `from vi_lab import museum` its collection of fits that went wrong.
"""

from vi_lab import diagnostics, draws, ep, mcmc, models
from vi_lab.bounds import (
    elbo,
    importance_weighted_bound,
    log_weights,
    mean_field_elbo,
    renyi_bound,
    upper_bound,
)
from vi_lab.diagnostics import diagnose, gradient_snr, pareto_k
from vi_lab.divergences import Estimate, alpha_divergence, chi2, kl, kl_monte_carlo, kl_quadrature, renyi
from vi_lab.families import Bernoulli, Family, Flow, FullRank, LowRank, MeanField, Mixture
from vi_lab.fit import Fit, fit
from vi_lab.forward import (
    effective_sample_size,
    fit_draws,
    forward_kl,
    importance_moment_match,
    moment_match,
)
from vi_lab.gradients import (
    doubly_reparameterized,
    measure_valued,
    rao_blackwellized,
    reparameterized,
    score_function,
    sticking_the_landing,
    stratified,
)

__all__ = [
    "Bernoulli",
    "Estimate",
    "Family",
    "Fit",
    "Flow",
    "FullRank",
    "LowRank",
    "MeanField",
    "Mixture",
    "alpha_divergence",
    "chi2",
    "diagnose",
    "diagnostics",
    "doubly_reparameterized",
    "draws",
    "effective_sample_size",
    "elbo",
    "ep",
    "fit",
    "fit_draws",
    "forward_kl",
    "gradient_snr",
    "importance_moment_match",
    "importance_weighted_bound",
    "kl",
    "kl_monte_carlo",
    "kl_quadrature",
    "log_weights",
    "mcmc",
    "mean_field_elbo",
    "measure_valued",
    "models",
    "moment_match",
    "pareto_k",
    "rao_blackwellized",
    "renyi",
    "renyi_bound",
    "reparameterized",
    "score_function",
    "sticking_the_landing",
    "stratified",
    "upper_bound",
]
