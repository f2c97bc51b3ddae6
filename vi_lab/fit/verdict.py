"""Has it converged? What `fit` concludes from what it saw, in words."""

import numpy as np

from vi_lab.divergences import Estimate

GAIN = 0.01  # nats: a cycle that is shown to gain more is followed by another
SETTLED = 0.1  # nats: converged, when the ELBO is shown to have moved by less


def estimate(values: np.ndarray) -> Estimate:
    """Mean and standard error of independent values."""
    return Estimate(np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values)))


def is_rising(gain: Estimate) -> bool:
    """Whether one more cycle is worth its cost: the last gained more than noise, and more than 0.01 nats."""
    return bool(gain.value > max(GAIN, 3 * gain.std_error))


def is_falling(gain: Estimate) -> bool:
    """Whether a cycle has lost more than noise, so that the q before it is the better one."""
    return is_rising(Estimate(-gain.value, gain.std_error))


def judge_cycles(num_steps: int, length: int, gain: Estimate) -> tuple[bool, str]:
    """From the same draws of q before and after the last cycle, whose differences have little noise."""
    seen = f"the last {length} steps moved the ELBO by {gain.value:+.3g} nats (standard error {gain.std_error:.2g})"
    converged, verdict = _judge(gain)
    if is_rising(gain):
        converged, verdict = False, f"still rising: start again from here, or nearer, or with num_steps={3 * num_steps}"
    return converged, f"took {num_steps} steps; {seen}: {verdict}"


def judge_trace(trace: np.ndarray) -> tuple[bool, str]:
    """From the trace alone: did it rise from its third quarter to its fourth?"""
    if len(trace) < 40:
        return False, f"took all {len(trace)} steps, too few to judge convergence"
    third, fourth = (estimate(quarter) for quarter in np.split(trace[-2 * (len(trace) // 4) :], 2))
    rise = Estimate(fourth.value - third.value, np.hypot(third.std_error, fourth.std_error))
    converged, verdict = _judge(rise)
    seen = f"from the third quarter to the fourth the ELBO moved by {rise.value:+.3g} nats"
    return converged, f"took all {len(trace)} steps; {seen} (standard error {rise.std_error:.2g}): {verdict}"


def _judge(rise: Estimate) -> tuple[bool, str]:
    if abs(rise.value) + 3 * rise.std_error < SETTLED:
        return True, "it has settled"
    if abs(rise.value) > 3 * rise.std_error:
        return False, "take more steps, or larger ones" if rise.value > 0 else "lower the step size"
    return False, f"noise could hide a change of {SETTLED} nats, so take more draws or more steps"


def failure(step: int, value: float, kept: Estimate) -> str:
    """Why a run ended before its time, what was kept, and what to try."""
    what = "the gradient was not finite" if np.isfinite(value) else f"the ELBO was {value:g}"
    q = "q is the last one with a finite ELBO"
    if not np.isfinite(kept.value):
        q = f"and fresh draws of the q before it give an ELBO of {kept.value:g}, so that no q is good"
    advice = "Look at log_joint where q has mass, lower the step size, or start nearer."
    return f"stopped at step {step}: {what}; {q}. {advice}"
