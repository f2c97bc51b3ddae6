"""`diagnose`: the four questions of chapter 6, and one before them, asked of a fit."""

import jax
import numpy as np
from jaxtyping import Array, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.diagnostics.facts import measure
from vi_lab.diagnostics.facts import try_more as try_all
from vi_lab.diagnostics.questions import mode_seeking, noise, rigid
from vi_lab.diagnostics.report import Report
from vi_lab.diagnostics.soundness import prior, soundness
from vi_lab.divergences import Estimate
from vi_lab.families import Family
from vi_lab.fit import Fit
from vi_lab.fit.verdict import estimate
from vi_lab.models import Model

QUESTIONS = (soundness, mode_seeking, rigid, noise, prior)
BLIND_SPOTS = (
    "modes to which no draw and no restart led; what is wrong in the model itself, such as its likelihood, its data or "
    "a Jacobian missing everywhere (calibrate, predictive_check); and the posterior, which it never met."
)


def diagnose(
    q: Family,
    key: Key[Array, ""],
    model: Model | LogJoint,
    *,
    fit: Fit | None = None,
    try_more: bool = True,
) -> Report:
    """Is the fit good? One report: four questions, each with its evidence, in nats, and what to do next (chapter 6).

    Is the objective too mode-seeking, the family too rigid, the gradient too noisy, does the prior dominate? And
    before them: is the log joint sound where q has mass? What is cheap is tried: climbing on from q, restarts, a
    richer family started at q. Gains add up, since each is counted from the best that came before it.

    Args:
        model: a `Model`, or a log joint alone, which has no prior to ask about.
        fit: what `fit` returned, for its trace: whether noise or the climb is at fault is easier to tell.
        try_more: False asks nothing that takes another fit; three of the questions are then not answered.

    Raises:
        ValueError: q that is no distribution, a fit that is none, a model of another dimension, a log joint that is no
            function of one point. A log joint that is NaN, infinite or wrong raises nothing: the report says so.

    Source: thresholds, each with its own, in the findings.
    """
    check.check_family(q)
    log_joint = getattr(model, "log_joint", model)
    known = model if isinstance(model, Model) else None
    if known is not None and known.dim != q.dim:
        check.reject("model", f"dim {known.dim}", f"dim {q.dim}, that of q")
    if fit is not None and not isinstance(fit, Fit):
        check.reject("fit", f"a {type(fit).__name__}", "what `fit` returned")
    weigh_key, try_key, ask_key = jax.random.split(key, 3)
    facts = measure(q, weigh_key, check.as_pytree(log_joint), known, fit)
    if facts.broken is None and try_more:
        facts = try_all(facts, try_key)
    known_elbo = np.isfinite(facts.log_w).all()
    elbo = estimate(facts.log_w) if known_elbo else Estimate(facts.log_w.mean(), np.inf)
    subject = f"{type(q).__name__}, dim {q.dim}: ELBO {elbo.value:.3f} ± {elbo.std_error:.2g} nats."
    findings = tuple(question(facts, ask_key) for question in QUESTIONS)
    return Report(subject, elbo, findings, BLIND_SPOTS)
