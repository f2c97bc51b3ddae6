"""Set 1: half-done work gets its half, and another class (another seed) is treated as fairly as this one."""

import jax
import pytest


@pytest.fixture(scope="module")
def first(benches):
    return benches["01-what-is-kl"]


def test_half_done_gets_its_half(first):
    assert first.score(first.answers("q1", "q2", "q3")) == 5
    assert first.score(first.answers("q4", "q5", "q6")) == 5


def test_another_class_gets_full_marks_and_the_same_messages(first, key):
    checks = first.with_seed(int(jax.random.key_data(key)[-1]))
    answers = first.answers()
    assert [check.name for check in checks if check.message(answers)] == []
    for slip in first.slips:
        slipped = first.slipped(slip)
        said = [c.message(slipped) for c in checks if c.question == slip["question"] and not c.hidden]
        assert slip["says"] in said, f"{slip['name']} hears instead: {said}"


def test_a_small_variance_alone_earns_nothing(first):
    """Shrinking an estimate or not looking at the draws makes the variance small; the mean, or its zero, tells."""
    public = next(check for check in first.checks if check.question == "q6" and not check.hidden)
    right = first.answers("q6")["kl_controlled"]
    assert "on average" in public.message({"kl_controlled": lambda log_ratio: 0.9 * right(log_ratio)})
    assert public.message({"kl_controlled": lambda log_ratio: 0.405}) is not None
