"""Three of the post's four questions, answered from what was tried (chapter 6)."""

import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Key

from vi_lab.diagnostics.facts import Facts
from vi_lab.diagnostics.noise import gradient_snr
from vi_lab.diagnostics.report import Finding
from vi_lab.diagnostics.tried import BLOCK, GAIN, K_LIMIT, RIGID, gap_from, is_discrete, is_more, said
from vi_lab.families import Family, FullRank, MeanField
from vi_lab.fit.verdict import estimate
from vi_lab.gradients import reparameterized

# One-draw gradients at the largest stable rate hold a Gaussian q within about this of its optimum: with the rate eta
# and curvature lambda (1 for a mean, 2 for a log scale, in q's own units) the gap is eta s^2 / (4 - 2 eta lambda) a
# parameter, s^2 = lambda the variance of its gradient (Mandt, Hoffman and Blei, 2017, in continuous time).
MOST_NOISE = 1.5  # nats a coordinate, at eta = 0.7
SMOOTH = 1e-2  # nats from step to step of a trace: fresh draws move it by more, unless q is the posterior


def mode_seeking(facts: Facts, key: Key[Array, ""]) -> Finding:
    """Do other starts of the same objective end elsewhere, and is a mixture with what they found better?"""
    fixed = {
        "question": "Is the objective too mode-seeking?",
        "threshold": f"a gain of {GAIN} nats and of three standard errors by a mixture of the modes found",
        "source": "this course: a missing mode that holds 10% costs 0.1 nats",
    }
    found = facts.elsewhere
    if found is None:
        return Finding(**fixed, alarm=None, fault=None, evidence=_why_not(facts), advice="Restart from wide places.")
    if not is_more(found.gain, GAIN):
        told = "No start led to another mode that is worth having."
        return Finding(**fixed, alarm=False, fault=None, evidence=told, advice="", tried=found.said)
    told = "The same objective, started elsewhere, ends elsewhere."
    advice = "Fit a mixture that starts at the modes found; or use an alpha below one, or forward KL (chapter 4)."
    return Finding(**fixed, alarm=True, fault="mode-seeking", evidence=told, advice=advice, tried=found.said)


def rigid(facts: Facts, key: Key[Array, ""]) -> Finding:
    """Is the best of the family still away from the posterior, and does a richer one come nearer?"""
    fixed = {
        "question": "Is the family too rigid?",
        "threshold": f"{RIGID} nats below that bound ({GAIN} where k̂ > {K_LIMIT:.2g}), and three standard errors",
        "source": "k̂: Vehtari et al. (2024); 0.2 nats: a mean field at a correlation of 0.57",
    }
    if facts.gap is None:
        told = _why_not(facts)
        if facts.evidence is not None:
            told = (
                f"k̂ of q is {facts.evidence.pareto_k:.2f}, its weights are worth "
                f"{facts.evidence.effective_sample_size:.0f} of {len(facts.log_w)} draws, and the importance-weighted "
                f"bound of {BLOCK} draws lies {said(gap_from(facts.log_w))} from the ELBO. {told}"
            )
        return Finding(**fixed, alarm=None, fault=None, evidence=told, advice="Compare with a richer family.")
    told = (
        f"k̂ of q is {facts.evidence.pareto_k:.2f}. Where climbing on and restarts led, the importance-weighted bound "
        f"of {BLOCK} draws lies {said(facts.gap)} from the ELBO, k̂ = {facts.pareto_k:.2f}."
    )
    if facts.pareto_k > K_LIMIT and not facts.is_far:
        told += " At a gap this small that warns of q's tails, and of correcting q by weights."
    tries = "; ".join(each.said for each in facts.richer) or None
    gains = [each for each in facts.richer if is_more(each.gain, GAIN)]
    if not facts.is_far:
        return Finding(**fixed, alarm=False, fault=None, evidence=told, advice="", tried=tries)
    best = max(gains, key=lambda each: each.gain.value, default=None)
    advice = "Reparameterize the model, or sample (chapter 7)."
    if best:
        advice = f"Take {best.what}."
    elif facts.elsewhere is not None and not tries:
        advice = "First the modes: a mixture of them, fitted, and asked again; or more components."
    return Finding(**fixed, alarm=True, fault="rigid", evidence=told, advice=advice, tried=tries)


def noise(facts: Facts, key: Key[Array, ""]) -> Finding:
    """Does climbing on gain? If so: was the way up lost in noise, or never gone?"""
    fixed = {
        "question": "Are the gradients too noisy, or is the climb unfinished?",
        "threshold": f"climbing on gains {GAIN} nats and three standard errors",
        "source": "this course; how far noise can hold q: Mandt, Hoffman and Blei (2017)",
    }
    if facts.onward is None:
        return Finding(**fixed, alarm=None, fault=None, evidence=_why_not(facts), advice="Climb on from q.")
    gain = facts.onward.gain
    if not is_more(gain, GAIN) and facts.onward.failed:
        told = f"Not computed: climbing on {facts.onward.failed}"
        return Finding(**fixed, alarm=None, fault=None, evidence=told, advice="Mend the log joint.")
    if not is_more(gain, GAIN):
        told = "q stands where the climb ends."
        return Finding(**fixed, alarm=False, fault=None, evidence=told, advice="", tried=facts.onward.said)
    snr = one_draw_snr(facts, key)
    ratio = "that could not be computed, as some are not finite" if snr is None else f"{snr:.2g}"
    told = f"A gradient of one draw at q has signal-to-noise ratio {ratio}."
    lost = snr is not None and snr < 1 and gain.value < MOST_NOISE * facts.q.dim
    if facts.fit is not None and len(facts.fit.trace) >= 8:
        lost, more = judge_trace(np.asarray(facts.fit.trace), facts.log_w.mean() + gain.value, gain.value)
        told = f"{told} {more}"
    fault = "noisy" if lost else "unfinished"
    advice = {
        "noisy": "Fresh draws, and more of them; a rate that falls; sticking the landing; Sobol draws.",
        "unfinished": "More steps or another rate; and check what was climbed: the entropy's sign, the scale N / B.",
    }[fault]
    return Finding(**fixed, alarm=True, fault=fault, evidence=told, advice=advice, tried=facts.onward.said)


def one_draw_snr(facts: Facts, key: Key[Array, ""]) -> float | None:
    """In the coordinates in which a Gaussian q is standard, so that no coordinate's unit drowns the others.

    None where a gradient is not finite.
    """
    q, log_joint, gradient = facts.q, facts.log_joint, None
    if isinstance(q, MeanField | FullRank):
        log_joint, q, gradient = Partial(_moved, q, log_joint), type(q).standard(q.dim), reparameterized
    try:
        return float(gradient_snr(q, key, log_joint, gradient=gradient))
    except ValueError:
        return None


def _moved(q: Family, log_joint: Partial, u: Float[Array, " dim"]) -> Float[Array, ""]:
    return log_joint(q.transform(u))


def judge_trace(trace: Float[np.ndarray, " steps"], top: float, gain: float) -> tuple[bool, str]:
    """Whether noise is at fault, by the trace's last quarter; climbing on gained `gain` nats, to an ELBO of `top`.

    No ELBO by fresh draws has a mean above the top. If this one does, and is smooth, it was that of fixed draws; with
    noise it was another objective. Else, if single steps come up to a quarter of the gain, q moves about the top.
    """
    last = trace[-len(trace) // 4 :]
    mean, spread = estimate(last), float(np.std(np.diff(last)))
    told = (
        f"The last quarter of the trace has mean {mean.value:.2f} and highest value {last.max():.2f}, and changes by "
        f"{spread:.2g} from step to step; climbing on reached {top:.2f}."
    )
    if is_more(mean._replace(value=mean.value - top), GAIN):
        return spread < SMOOTH, f"{told} So what was climbed was not the ELBO of this log joint by fresh draws."
    return bool(last.max() >= top - gain / 4), told


def _why_not(facts: Facts) -> str:
    if facts.broken:
        return f"Not computed: {facts.broken}."
    if facts.onward and is_discrete(facts.q):
        return "Not computed: z is discrete, and the restarts are Gaussians."
    if facts.onward:
        return "Not computed: the best q that was found has draws without density, or weights that rounding hides."
    return "Not computed: nothing was tried (try_more=False)."
