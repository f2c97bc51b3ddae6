"""`alternate`: VI, chains that leave where q is, and VI again from what they found (chapter 7)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.divergences import Estimate
from vi_lab.families import Family, FullRank, LowRank, MeanField, Mixture
from vi_lab.fit import fit
from vi_lab.mcmc.chains import Chains
from vi_lab.mcmc.modes import components_of, modes, weighed
from vi_lab.mcmc.sample import evaluate, sample


class Round(NamedTuple):
    """What one round ended with: q, its ELBO in nats with standard error, and how many components it has."""

    q: Family
    elbo: Estimate
    num_components: int


class Alternation(NamedTuple):
    """What `alternate` returns.

    Attributes:
        q: the last fit; a `Mixture` where more than one mode was found. Its weights are those of the best ELBO.
        chains: of the last round. How many of them lie in a mode says nothing of its mass.
        rounds: the first fit, and each round after it.
    """

    q: Family
    chains: Chains
    rounds: tuple[Round, ...]


def alternate(
    q: Family,
    key: Key[Array, ""],
    log_joint: LogJoint,
    *,
    num_rounds: int = 1,
    num_chains: int = 8,
    num_samples: int = 500,
    num_warmup: int = 300,
    widen: float = 10.0,
    prior: Family | None = None,
    family: type = FullRank,
    **fit_settings: Any,
) -> Alternation:
    """VI, MCMC, VI: q is fitted, chains look for what it misses, and q is fitted again to both (chapter 7).

    Each round:

    1. Chains (NUTS, q's covariance within its components as metric) start from q, from q widened about its mean, and,
       where there is a `prior`, from that: a third of them each, else halves.
    2. Chains whose means are less than one standard deviation apart have found the same mode. Each mode gets the
       Gaussian of its draws' mean and covariance; components of q that no chain came near are kept, and chains that
       hardly moved are left out.
    3. A `Mixture` of these Gaussians starts at weights w_k in proportion to exp(ELBO_k), ELBO_k in nats that of
       component k alone. Where components do not overlap, the mixture's ELBO is sum_k w_k (ELBO_k - log w_k), and these
       are the weights that maximize it. Counts of chains are not used: chains do not cross between modes, and how many
       lie in one says only where they started.
    4. `fit` climbs the ELBO from there, in all parameters.

    It cannot find a mode that no start leads to; `widen` and `prior` say how far it looks. A mode much narrower than
    the space between is found only by luck, in many dimensions hardly ever. The result is a fit: Gaussians, for modes
    that may be none, its weights the better the closer they are. `correct(result.q, ...)` mends both, and its k-hat
    says how far to trust it.

    Args:
        q: where the first fit starts: a Gaussian, or a `Mixture` of Gaussians.
        num_rounds: of chains and refit, after the first fit.
        widen: by how much q's draws are spread about its mean, at most, for the starts that leave it: from 1 to this
            in a geometric progression.
        prior: where chains may start too, such as a model's `prior`.
        family: of the components, `FullRank` or `MeanField`.
        fit_settings: for every `fit`.

    Raises:
        ValueError: a q that is neither Gaussian nor a mixture of such, counts below one (fewer than three chains, or
            draws than twice the dimension), a `widen` not above 1, a `family` that is neither of the two, a prior that
            is no distribution over such z, no start where log_joint is finite, no chain that moves; see `fit` and
            `sample` for the rest.

    Source: boosting by components found elsewhere, Miller, Foti and Adams (2017); weights of separate modes by their
    evidence as in Yao, Vehtari and Gelman (2022), section 2.
    """
    _check_families(q, prior, family)
    check.check_count("num_rounds", num_rounds)
    check.check_count("num_chains", num_chains, least=3)
    check.check_count("num_samples", num_samples, least=2 * q.dim)
    check.check_count("num_warmup", num_warmup, least=0)
    if not check.check_number("widen", widen) > 1:
        check.reject("widen", repr(widen), "a number above 1")
    log_joint = check.as_pytree(log_joint)
    first_key, key = jax.random.split(key)
    fitted = fit(q, first_key, log_joint, **fit_settings)
    rounds = [Round(fitted.q, fitted.elbo, len(components_of(fitted.q)))]
    for index in range(num_rounds):
        start_key, chain_key, weigh_key, fit_key = jax.random.split(jax.random.fold_in(key, index), 4)
        q = rounds[-1].q
        positions = _starts(q, start_key, log_joint, num_chains, widen, prior)
        metric = _metric_within(q)
        settings = {"num_samples": num_samples, "num_warmup": num_warmup, "inverse_mass_matrix": metric}
        chains = sample(log_joint, chain_key, positions, **settings)
        components = modes(np.asarray(chains.draws), q, family)
        fitted = fit(weighed(components, weigh_key, log_joint), fit_key, log_joint, **fit_settings)
        better = fitted if _above(fitted.elbo, rounds[-1].elbo) else rounds[-1]
        rounds.append(Round(better.q, better.elbo, len(components_of(better.q))))
    return Alternation(rounds[-1].q, chains, tuple(rounds))


def _above(new: Estimate, old: Estimate) -> bool:
    """Whether the new ELBO is the higher; NaN is below everything."""
    return bool(new.value > old.value or jnp.isnan(old.value))


def _check_families(q: Family, prior: Family | None, family: type) -> None:
    check.check_option("family", family, (FullRank, MeanField))
    check.check_family(q)
    for part in components_of(q):
        if not isinstance(part, FullRank | MeanField | LowRank):
            got = f"a {type(part).__name__}" + (" within a Mixture" if part is not q else "")
            check.reject("q", got, "a FullRank, MeanField or LowRank, or a Mixture of these")
    if prior is None:
        return
    if not hasattr(prior, "sample"):
        check.reject("prior", f"a {type(prior).__name__}", "a distribution, such as a model's .prior")
    if prior.dim != q.dim:
        check.reject("prior", f"dim {prior.dim}", f"dim {q.dim}, that of q")


def _starts(
    q: Family, key: Array, log_joint: LogJoint, num_chains: int, widen: float, prior: Family | None
) -> Float[Array, "num_chains dim"]:
    """From q, widened q and the prior in turn; where log_joint is not finite, another draw of q."""
    wide_key, prior_key, q_key, spare_key = jax.random.split(key, 4)
    widths = widen ** jnp.linspace(0, 1, num_chains)[:, None]  # at how far to look, nobody knows
    sources = [q.sample(q_key, num_chains), q.mean + widths * (q.sample(wide_key, num_chains) - q.mean)]
    if prior is not None:
        sources.append(prior.sample(prior_key, num_chains))
    turn = jnp.arange(num_chains)
    positions = jnp.stack(sources)[turn % len(sources), turn]
    spare = q.sample(spare_key, 16 * num_chains)
    values, smooth = evaluate(log_joint, jnp.concatenate([positions, spare]))
    good = jnp.isfinite(values) & smooth
    spare = spare[good[num_chains:]]
    if not good[:num_chains].all() and not len(spare):
        check.reject(
            "q", "no draw at which log_joint and its gradient are finite", "a q with mass where the model has some"
        )
    for i in np.flatnonzero(~np.asarray(good[:num_chains])):
        positions = positions.at[i].set(spare[i % len(spare)])
    return positions


def _metric_within(q: Family) -> Float[Array, "dim dim"]:
    """The mean covariance of q's components: that of q would hold the distances between them."""
    weights = q.weights if isinstance(q, Mixture) else jnp.ones(1)
    return jnp.einsum("k,kij->ij", weights, jnp.stack([part.cov() for part in components_of(q)]))
