"""All that `diagnose` measures and tries, in one place: the findings are made of it, and of nothing else."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.diagnostics import tried
from vi_lab.diagnostics.elsewhere import start_elsewhere
from vi_lab.diagnostics.importance import Evidence, evidence_of
from vi_lab.divergences import Estimate
from vi_lab.families import Family
from vi_lab.fit import Fit
from vi_lab.models import Model

ROUNDING = 1e3  # units in the last place of log p, 1e-4 in 32 bits: sums in another order
UNSEEN = 0.1  # nats: what differs by less than rounding of that size is not called equal


class Facts(NamedTuple):
    """What was found. Whatever could not be computed is None, and `broken` says why.

    Attributes:
        q, log_joint, model, fit: what was asked about; model and fit may be None.
        log_w, evidence: log weights of q's draws, and evidence and k̂ from them.
        broken: what is wrong with the log joint at q's draws. differs: how it differs from prior and likelihood;
            unsure: why that could not be told.
        onward: climbing on from q. elsewhere: restarts, from what climbing on reached.
        gap, pareto_k: importance-weighted bound minus ELBO, and k̂, of the best that restarts and steps reached.
        richer: other families, started from what climbing on reached.
    """

    q: Family
    log_joint: LogJoint
    model: Model | None
    fit: Fit | None
    log_w: Float[np.ndarray, " n"]
    evidence: Evidence | None = None
    broken: str | None = None
    differs: str | None = None
    unsure: str | None = None
    onward: tried.Tried | None = None
    elsewhere: tried.Tried | None = None
    gap: Estimate | None = None
    pareto_k: float | None = None
    richer: tuple[tried.Tried, ...] = ()

    @property
    def is_far(self) -> bool:
        """Whether the best of q's family, or the mixture of what restarts found, is still away from the posterior."""
        return self.gap is not None and tried.is_far(self.gap, self.pareto_k)


def measure(q: Family, key: Key[Array, ""], log_joint: LogJoint, model: Model | None, fit: Fit | None) -> Facts:
    """Weights, evidence and k̂ of q as it is."""
    log_w, log_p = tried.weigh_and_evaluate(q, key, log_joint)
    differs, unsure = inconsistency(q, key, log_joint, model)
    facts = Facts(q, log_joint, model, fit, log_w, differs=differs, unsure=unsure)
    bad = {"NaN": np.isnan(log_w), "+inf": np.isposinf(log_w), "-inf": np.isneginf(log_w)}
    told = [f"{name} at {where.sum()} of {len(log_w)} draws of q" for name, where in bad.items() if where.any()]
    if told:
        return facts._replace(broken="the log joint is " + " and ".join(told))
    bad = 0 if tried.is_discrete(q) else tried.bad_gradients(q, key, log_joint)
    if bad:
        told = f"the gradient of the log joint is NaN or infinite at {bad} of {len(log_w)} draws of q"
        return facts._replace(broken=told)
    try:
        return facts._replace(evidence=evidence_of(log_w, log_p))
    except ValueError as refusal:
        return facts._replace(broken=f"the {refusal}".replace("log_joint: got", "log joint has"))


def inconsistency(
    q: Family, key: Key[Array, ""], log_joint: LogJoint, model: Model | None
) -> tuple[str | None, str | None]:
    """How log joint and log prior + log likelihood differ over q's draws, or why that could not be told.

    A constant that is left out is no fault.
    """
    if model is None or model.prior is None or model.log_likelihood is None:
        return None, None
    whole, parts = map(np.asarray, _both_ways(q, key, log_joint, model.prior, check.as_pytree(model.log_likelihood)))
    if (np.isfinite(parts) != np.isfinite(whole)).any():
        return "the log joint is finite where log prior + log likelihood is not, or the other way round", None
    off = (whole - parts)[np.isfinite(whole)]
    if len(off) < 2:
        return None, None
    rounding = max(1e-6, ROUNDING * np.finfo(whole.dtype).eps * (1 + np.abs(parts[np.isfinite(parts)]).max()))
    if np.std(off) > rounding:
        told = f"varies over q's draws, from {off.min():.3g} to {off.max():.3g}"
        return f"log joint - (log prior + log likelihood) {told}", None
    if rounding > UNSEEN:
        told = f"log joint and log prior + log likelihood may differ by {rounding:.2g} nats, their rounding"
        return None, f"{told} in {whole.dtype}"
    return None, None


@jax.jit
def _both_ways(q: Family, key: Array, log_joint: LogJoint, prior: Family, log_likelihood: LogJoint) -> tuple:
    z = q.sample(key, 500)
    return check.evaluate(log_joint, z), prior.log_prob(z) + check.evaluate(log_likelihood, z)


def try_more(facts: Facts, key: Key[Array, ""]) -> Facts:
    """Climb on; from there start elsewhere; and ask of the best what a richer family would gain."""
    onward_key, elsewhere_key, gap_key, richer_key = jax.random.split(key, 4)
    onward = tried.climb_on(facts.q, onward_key, facts.log_joint)
    facts = facts._replace(onward=onward)
    if tried.is_discrete(facts.q):  # nothing to start elsewhere: corners are not places on the way to others
        return with_gap(facts, onward.q, gap_key)
    prior = facts.model.prior if facts.model else None
    elsewhere = start_elsewhere(onward.q, elsewhere_key, facts.log_joint, prior)
    several = tried.is_more(elsewhere.gain, tried.GAIN)
    facts = with_gap(facts._replace(elsewhere=elsewhere), elsewhere.q if several else onward.q, gap_key)
    if several or not facts.is_far:  # where modes are missing, they come first
        return facts
    return facts._replace(richer=tuple(tried.enrich(onward.q, richer_key, facts.log_joint)))


def with_gap(facts: Facts, q: Family, key: Key[Array, ""]) -> Facts:
    """The same with gap and k̂ of q, where all of its draws have a density and rounding does not hide its weights."""
    found = tried.gap_of(q, key, facts.log_joint)
    return facts if found is None else facts._replace(gap=found[0], pareto_k=found[1])
