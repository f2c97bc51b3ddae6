"""What comes before the climb: is the log joint what it should be, and what does the prior do? (chapter 6)"""

import jax
import numpy as np
from jaxtyping import Array, Key

from vi_lab.diagnostics.facts import Facts
from vi_lab.diagnostics.prior import prior_dominance
from vi_lab.diagnostics.report import Finding
from vi_lab.diagnostics.tails import BEYOND, Tails, tails
from vi_lab.diagnostics.tried import GAIN, is_more
from vi_lab.families import Family
from vi_lab.fit.defaults import is_discrete

SHARE = 1e-3  # of the posterior beyond five of q's standard deviations
FLAT = 0.1  # nats of KL(q || prior)
SURPRISE = 1e-3


def soundness(facts: Facts, key: Key[Array, ""]) -> Finding:
    """Finite where q has mass, equal to log prior + log likelihood, and not too heavy-tailed for q?"""
    fixed = {
        "question": "Is the log joint sound where q has mass?",
        "threshold": f"a draw where it is not finite; log joint and log prior + log likelihood apart by more than a "
        f"constant; a tail that falls as a power, with {SHARE:g} of an axis beyond {BEYOND:g} of q's sds",
        "source": "definitions; a Gaussian has 6e-7 out there",
    }
    failed = facts.onward and facts.onward.failed and f"climbing on from q {facts.onward.failed.rstrip('.')}"
    faults = [told for told in (facts.broken, facts.differs, failed) if told]
    if faults:
        told = "; ".join(faults)
        advice = (
            "Mend it first: the other answers are about the log joint as it is. A bounded parameter needs an unbounded "
            "transform, and its log Jacobian."
        )
        evidence = f"{told[0].upper()}{told[1:]}."
        return Finding(**fixed, alarm=True, fault="broken", evidence=evidence, advice=advice)
    if is_discrete(facts.q):
        return Finding(**fixed, alarm=False, fault=None, evidence="Finite at every draw.", advice="")
    seen = tails(facts.q, key, facts.log_joint)
    heavy = [i for i, power in enumerate(seen.power) if power is not None and seen.share[i] > SHARE]
    if not heavy:
        return _no_heavy_tail(seen, facts.unsure, fixed)
    axis = max(heavy, key=lambda i: seen.share[i])
    told = (
        f"Along {len(heavy)} of q's {len(seen.power)} axes it falls as a power, at axis {axis} as "
        f"r^-{seen.power[axis]:.2g}, with a share of {seen.share[axis]:.2g} beyond {BEYOND:g} of q's standard "
        f"deviations."
    )
    advice = "Take a family with heavy tails, or transform z; until then, distrust tail probabilities."
    return Finding(**fixed, alarm=True, fault="heavy-tails", evidence=told, advice=advice)


def _no_heavy_tail(seen: Tails, unsure: str | None, fixed: dict[str, str]) -> Finding:
    """No fault was seen; where something could not be looked at, that is said, and no verdict given."""
    blind = seen.blind[np.isfinite(seen.blind)]
    told = "Finite at every draw; no heavy tail along q's axes."
    if len(blind):
        told = (
            f"Finite at every draw; but along {len(blind)} of q's {len(seen.blind)} axes the log joint is NaN or +inf, "
            f"from {blind.min():.2g} of q's standard deviations on, so that its tails could not be judged."
        )
    if unsure:
        told = f"{told} {unsure[0].upper()}{unsure[1:]}."
    advice = "Mend the log joint out there; compute in 64 bits." if len(blind) or unsure else ""
    return Finding(**fixed, alarm=None if advice else False, fault=None, evidence=told, advice=advice)


def prior(facts: Facts, key: Key[Array, ""]) -> Finding:
    """Is q the prior, or where the prior did not expect it?"""
    fixed = {
        "question": "Does the prior dominate, or clash with the data?",
        "threshold": f"KL(q || prior) below {FLAT} nats; or q's mean less likely under the prior than all but "
        f"{SURPRISE:g} of the prior's own draws",
        "source": "this course; Evans and Moshonov (2006)",
    }
    unknown = {**fixed, "alarm": None, "fault": None}
    model = facts.model
    if model is None or model.prior is None or model.log_likelihood is None:
        told = "Not computed: no prior and likelihood were given."
        return Finding(**unknown, evidence=told, advice="Pass a Model that states both.")
    if facts.differs:
        told = "Not computed: the log joint is not that of the prior and likelihood given."
        return Finding(**unknown, evidence=told, advice="Mend the log joint.")
    climbed = facts.onward is not None and is_more(facts.onward.gain, GAIN)
    q = facts.onward.q if climbed else facts.q  # what a q on its way has not learned the data may still say
    try:
        seen = prior_dominance(q, key, model)
        surprise = prior_surprise(q, model.prior, key)
    except ValueError as refusal:
        return Finding(**unknown, evidence=f"Not computed: {refusal}.", advice="Mend the prior or the likelihood.")
    contraction = ", ".join(f"{c:.2f}" for c in seen.contraction[:4]) + (", ..." if facts.q.dim > 4 else "")
    told = (
        f"KL(q || prior) is {seen.kl.value:.3g} nats; contraction {contraction}; log p(x|z) has standard deviation "
        f"{seen.log_likelihood_std:.2g} under the prior and {seen.log_likelihood_std_q:.2g} under q; of the prior's "
        f"draws {surprise:.2g} are less likely than q's mean."
    )
    if climbed:
        told = f"Where climbing on from q led: {told}"
    on_the_way = facts.onward.rising if facts.onward else seen.kl.value < FLAT and seen.log_likelihood_std > 1
    if on_the_way:
        return Finding(**unknown, evidence=f"{told} But q is still on its way.", advice="Climb on from q.")
    if seen.kl.value < FLAT:
        advice = "See that the data reach the likelihood, and on which scale; else report that they say little."
        return Finding(**fixed, alarm=True, fault="prior-dominated", evidence=told, advice=advice)
    if surprise < SURPRISE:
        advice = "Ask what the prior was meant to say; compare with a wider, or a heavy-tailed one."
        return Finding(**fixed, alarm=True, fault="prior-conflict", evidence=told, advice=advice)
    return Finding(**fixed, alarm=False, fault=None, evidence=told, advice="")


def prior_surprise(q: Family, prior: Family, key: Key[Array, ""]) -> float:
    """P(prior density of a prior draw <= that at q's mean), from 4,000 draws; a share that is never zero.

    With a Gaussian prior it is the chi-square tail of the squared distance of q's mean in prior standard deviations.
    Over data sets that the model itself makes, posterior means spread less than the prior, so that small values are
    rarer than their size says.
    """
    if is_discrete(q):  # the mean of coins is no place, and every corner may be as likely as the others
        return 1.0
    q_key, prior_key = jax.random.split(key)
    center = q.sample(q_key, 2000).mean(axis=0)
    own = np.asarray(prior.log_prob(prior.sample(prior_key, 4000)))
    return float((1 + np.sum(own <= float(prior.log_prob(center)))) / (1 + len(own)))
