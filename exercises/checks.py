"""What the checks of every exercise set share.

`tools/exercises.py` copies what a check imports from here into the check itself, so that a student's file needs
nothing beside NumPy, SciPy and otter-grader. For the same reason this module imports nothing else.
"""

import textwrap

import numpy as np

# Targets are drawn from this seed and the number of the check: all learners are asked the same, no check twice.
SEED = 20261122


class Feedback(AssertionError):
    """What a learner reads when an answer is not right; wrapped, since otter breaks long lines inside words."""

    def __init__(self, text):
        super().__init__("\n" + textwrap.fill(text, 80))


def draws(check):
    """The random numbers from which check number `check` makes its targets."""
    return np.random.default_rng([SEED, check])


def ask(function, *arguments, shape=None):
    """Call the learner's function; every way of not answering gets a sentence of its own."""
    if not callable(function):
        raise Feedback("No function has that name yet. Run the cell that defines it, then check again.")
    # Copies, of the result too: what a function writes into its arguments, or later into an array that it returned
    # and uses again, must not reach the numbers that it is judged by.
    copies = [np.array(argument) if isinstance(argument, np.ndarray) else argument for argument in arguments]
    try:
        with np.errstate(all="ignore"):
            result = function(*copies)
    except Exception as error:
        raise Feedback(f"Your function stopped with {type(error).__name__}: {error}") from None
    if result is None or result is Ellipsis:
        raise Feedback("Your function returns nothing yet. Its last line should be a return statement.")
    try:
        answer = np.array(result, dtype=float)
    except (TypeError, ValueError):
        kind = type(result).__name__
        raise Feedback(f"Your function returns a {kind} that does not turn into an array of numbers.") from None
    if shape is not None:
        require_shape(answer, shape)
    return answer


def require_shape(answer, shape):
    """Say so when an answer does not have the shape that the question asks for."""
    if answer.shape != shape:
        raise Feedback(f"Your result has shape {answer.shape}, and the question asks for {shape}.")


def ask_estimates(function, pairs, *settings):
    """The values and the standard errors that the learner's function gives for each pair (q, p)."""
    return np.array([ask(function, q, p, *settings, shape=(2,)) for q, p in pairs]).T


def matches(answers, truths, atol):
    """Whether all answers are those numbers. The relative tolerance leaves room for 32-bit arithmetic."""
    return all(
        answer.shape == np.shape(truth) and np.allclose(answer, truth, rtol=1e-4, atol=atol, equal_nan=True)
        for answer, truth in zip(answers, truths, strict=True)
    )


def judge(answers, truths, slips, says, *, what="numbers", atol=1e-5, loose=1):
    """Accept right numbers; name the slip that wrong ones come from.

    `slips` pairs the name of each slip with the numbers that it leads to. `atol` is what chance or rounding may
    add to an answer, `loose` times that what it may add to a slip, and `what` calls the numbers by their name.
    """
    undefined = any(np.isnan(answer).any() for answer in answers)
    if not undefined and matches(answers, truths, atol):
        return
    for name, numbers in slips:
        if matches(answers, numbers, loose * np.asarray(atol)):
            raise Feedback(says[name])
    for answer, truth in zip(answers, truths, strict=True):
        require_shape(answer, np.shape(truth))
    if undefined:
        raise Feedback(f"Your {what} contain nan. Which step divides 0 by 0, or multiplies 0 by infinity?")
    raise Feedback(
        f"Your {what} are not right, and they come from none of the slips that this check knows. "
        "Work one small case by hand and compare, one factor at a time."
    )


def mean_under(q, function):
    """The expectation of function(z) under the SciPy distribution q, by the trapezoidal rule."""
    z = q.mean() + q.std() * np.linspace(-14.0, 14.0, 5601)
    return np.trapezoid(q.pdf(z) * function(z), z)


def kl_of(q, p):
    """KL(q || p), in nats, of SciPy distributions."""
    return mean_under(q, lambda z: q.logpdf(z) - p.logpdf(z))
