"""What expectation propagation returns, and how it says why it stopped."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from vi_lab.families import FullRank


class Result(NamedTuple):
    """What `expectation_propagation` returns.

    Attributes:
        q: the Gaussian approximation.
        log_evidence: EP's estimate of log p(x), in nats: no bound. NaN where a cavity is not a distribution.
        converged: whether the moments of every tilted distribution agree with those of q within `tol`.
        reason: why it stopped, in words, with whatever was skipped or is unusual.
        num_sweeps: passes over all sites.
        num_negative: sites whose precision is below zero at the end: factors that make q *wider*.
        num_skipped: updates that were left out, all sweeps together, because their cavity had no positive
            variance or their tilted moments were not finite.
        trace: the largest disagreement of moments after each sweep: of a mean in q's standard deviations, of a
            variance relative to q's.
        site_precision, site_shift: the natural parameters of the n sites.
    """

    q: FullRank
    log_evidence: Float[Array, ""]
    converged: bool
    reason: str
    num_sweeps: int
    num_negative: int
    num_skipped: int
    trace: Float[Array, " num_sweeps"]
    site_precision: Float[Array, " n"]
    site_shift: Float[Array, " n"]


def count_negative(precision: Array) -> int:
    """A far outlier's site is zero: rounding does not make it negative."""
    rounding = 100 * jnp.finfo(precision.dtype).eps * jnp.max(jnp.abs(precision))
    return int(jnp.sum(precision < -rounding))


def in_words(trace, tol, damping, num_improper, num_sweeps, num_negative, num_skipped) -> str:
    """In words: whether it converged, what to try, and what was unusual."""
    if trace[-1] <= tol:
        said = [f"converged in {num_sweeps} sweeps: all tilted moments agree with q's within {trace[-1]:.1g}"]
    else:
        said = [f"not converged in {num_sweeps} sweeps: tilted moments still differ from q's by {trace[-1]:.2g}"]
        if num_improper:
            said = [f"not converged in {num_sweeps} sweeps: sites without a usable cavity at the end: {num_improper}"]
        said.append(f"try more sweeps or a damping below {damping:g}")
    if num_skipped:
        said.append(f"updates skipped for want of a usable cavity: {num_skipped}")
    if num_negative:
        said.append(f"negative site precisions: {num_negative}")
    return "; ".join(said)
