"""Sweeps over the sites, and the visit to one of them (chapter 4)."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from vi_lab import _checks as check
from vi_lab.ep.result import Result, count_negative, in_words
from vi_lab.families import FullRank, MeanField
from vi_lab.models import Model, Sites


class _State(NamedTuple):
    mean: Array  # of q
    cov: Array
    precision: Array  # of the sites
    shift: Array


class _Visit(NamedTuple):
    """What one site sees: the new site that would match the moments, whether it is fit for use, and the match."""

    precision: Array
    shift: Array
    usable: Array
    mismatch: Array
    log_scale: Array  # log of the site at q's mean, times the constant that makes its average that of the factor


def expectation_propagation(
    model: Model, *, damping: float = 1.0, max_sweeps: int = 200, tol: float | None = None
) -> Result:
    """A Gaussian q whose moments are those of every tilted distribution, and EP's log evidence in nats (chapter 4).

    Sequential: for each site in turn, take it out of q (the cavity), put its exact factor in (the tilted
    distribution), and choose the new site so that q has the tilted mean and variance, which is the minimum over
    Gaussians of the forward KL from the tilted distribution. A site precision may be negative as long as all
    cavities stay distributions; an update whose cavity is none is skipped and counted.

    EP minimizes no global objective and may fail to converge. It has converged when, after a sweep, the mean of
    every tilted distribution agrees with q's within `tol` standard deviations, and its variance within the
    relative `tol`.

    Args:
        model: one with a Gaussian prior and `sites`: `models.clutter`, `models.probit`.
        damping: the share of each update that is taken, in (0, 1]; below 1 it can cure oscillations, and the
            fixed points stay the same.
        max_sweeps: after so many passes over the sites it gives up, and says so.
        tol: by default the square root of the arithmetic's epsilon, 1.5e-8 in 64 bits.

    Raises:
        ValueError: a model without sites, a prior that is not Gaussian, damping outside (0, 1], a count below one,
            a `tol` that is not above zero.

    Source: Minka (2001), section 3; Rasmussen and Williams (2006), section 3.6, for the evidence.
    """
    _check(model, damping, max_sweeps, tol)
    sites, prior = model.sites, model.prior
    tol = float(jnp.finfo(prior.mean.dtype).eps) ** 0.5 if tol is None else tol
    state, trace, num_sweeps, num_skipped = _run(prior, sites, damping, tol, max_sweeps=max_sweeps)
    visits = _visit_all(state, sites)
    q = FullRank(state.mean, jnp.linalg.cholesky(state.cov))
    # p(z) s_1(z) ... s_n(z) / q(z) is the same at every z; at q's mean no large numbers cancel
    log_evidence = prior.log_prob(state.mean) - q.log_prob(state.mean) + jnp.sum(visits.log_scale)
    counts = int(num_sweeps), count_negative(state.precision), int(num_skipped)
    trace = np.asarray(trace)[: counts[0]]  # by NumPy: JAX would compile a slice for each new number of sweeps
    reason = in_words(trace, tol, damping, int(jnp.sum(~visits.usable)), *counts)
    return Result(
        q, log_evidence, bool(trace[-1] <= tol), reason, *counts, jax.device_put(trace), state.precision, state.shift
    )


def _check(model: Model, damping: float, max_sweeps: int, tol: float | None) -> None:
    if not isinstance(model, Model) or model.sites is None:
        got = "one without sites" if isinstance(model, Model) else f"a {type(model).__name__}"
        check.reject("model", got, "a model with sites: models.clutter, models.probit")
    if not isinstance(model.prior, MeanField | FullRank):
        check.reject("model", f"a prior of class {type(model.prior).__name__}", "a Gaussian prior")
    if model.sites.directions.shape[1:] != (model.dim,):
        check.reject("model.sites.directions", f"shape {model.sites.directions.shape}", f"shape (n, {model.dim})")
    for name, value in {"damping": damping, "tol": 1.0 if tol is None else tol}.items():
        check.check_number(name, value)
        if value <= 0:
            check.reject(name, repr(value), "a number above zero")
    if damping > 1:
        check.reject("damping", repr(damping), "a number above 0 and at most 1")
    check.check_count("max_sweeps", max_sweeps)


@partial(jax.jit, static_argnames="max_sweeps")
def _run(prior, sites, damping, tol, *, max_sweeps):
    """Sweeps until all moments match or `max_sweeps`: the state, the trace, sweeps taken, updates skipped."""
    flat = jnp.zeros(len(sites.directions), prior.mean.dtype)
    start = _State(prior.mean, prior.cov(), flat, flat)  # all sites flat: q is the prior
    trace = jnp.full(max_sweeps, jnp.inf, flat.dtype)

    def sweep(carry):
        state, trace, index, skipped = carry
        state = _assemble(prior, sites, state)
        state, usable = jax.lax.scan(partial(_update, sites, damping), state, jnp.arange(len(flat)))
        visits = _visit_all(state, sites)
        worst = jnp.max(jnp.where(visits.usable, visits.mismatch, jnp.inf))
        return state, trace.at[index].set(worst), index + 1, skipped + jnp.sum(~usable)

    def unfinished(carry):
        _, trace, index, _ = carry
        return (index == 0) | ((index < max_sweeps) & (trace[index - 1] > tol))

    return jax.lax.while_loop(unfinished, sweep, (start, trace, 0, 0))


def _assemble(prior: MeanField | FullRank, sites: Sites, state: _State) -> _State:
    """q anew from the prior and the sites: the rounding errors of a sweep's updates do not add up."""
    a = sites.directions
    prior_precision = jnp.linalg.inv(prior.cov())
    cov = jnp.linalg.inv(prior_precision + (a.T * state.precision) @ a)
    mean = cov @ (prior_precision @ prior.mean + a.T @ state.shift)
    return state._replace(mean=mean, cov=(cov + cov.T) / 2)


def _update(sites: Sites, damping: Array, state: _State, i: Array) -> tuple[_State, Array]:
    """Moves site i by the share `damping` towards the one that matches the moments, and q with it."""
    visit = _visit(state, sites, i)
    step = jnp.where(visit.usable, damping, 0.0)
    d_precision = jnp.where(visit.usable, step * (visit.precision - state.precision[i]), 0.0)
    d_shift = jnp.where(visit.usable, step * (visit.shift - state.shift[i]), 0.0)
    a = sites.directions[i]
    cov_a = state.cov @ a
    gain = cov_a / (1 + d_precision * (a @ cov_a))  # Sherman and Morrison: one direction of q's precision changes
    mean = state.mean + gain * (d_shift - d_precision * (a @ state.mean))
    cov = state.cov - d_precision * jnp.outer(gain, cov_a)
    precision, shift = state.precision.at[i].add(d_precision), state.shift.at[i].add(d_shift)
    return _State(mean, cov, precision, shift), visit.usable


def _visit(state: _State, sites: Sites, i: Array) -> _Visit:
    """The cavity of site i, the tilted distribution's moments along a_i, and the site that matches them."""
    a = sites.directions[i]
    mean, var = a @ state.mean, a @ state.cov @ a
    precision, shift = state.precision[i], state.shift[i]
    rest = 1 - precision * var  # q's variance over the cavity's; not positive: no cavity
    v = jnp.where(rest > 0, var / rest, jnp.nan)
    m = (mean - shift * var) / rest
    log_z, slope, curvature = _derivatives(sites, i, m, v)
    shrink = 1 + v * curvature  # the tilted variance over the cavity's
    off = (m + v * slope - mean) / jnp.sqrt(jnp.where(var > 0, var, 1.0))  # a_i = 0: nothing to match
    mismatch = jnp.maximum(jnp.abs(off), jnp.abs(shrink / rest - 1))
    log_scale = log_z + (var * (shift - precision * mean) ** 2 / rest - jnp.log(rest)) / 2
    usable = (shrink > 0) & jnp.isfinite(mismatch)
    return _Visit(-curvature / shrink, (slope - curvature * m) / shrink, usable, mismatch, log_scale)


def _derivatives(sites: Sites, i: Array, m: Array, v: Array) -> tuple[Array, Array, Array]:
    """log Z and two derivatives in the cavity mean m: tilted mean m + v log Z', variance v + v^2 log Z''."""
    slope = jax.grad(sites.log_z, argnums=1)
    return sites.log_z(i, m, v), slope(i, m, v), jax.grad(slope, argnums=1)(i, m, v)


@jax.jit
def _visit_all(state: _State, sites: Sites) -> _Visit:
    return jax.vmap(partial(_visit, state, sites))(jnp.arange(len(sites.directions)))
