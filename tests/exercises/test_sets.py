"""What holds for every graded set: who is right gets the points, who is wrong learns which slip it was."""

import re

import jax
import numpy as np
import pytest


def arrays(arguments):
    """Those of a function's arguments that it could write into."""
    return [argument for argument in arguments if isinstance(argument, np.ndarray)]


def test_reference_solution_gets_every_point(bench):
    answers = bench.answers()
    complaints = {check.name: message for check in bench.checks if (message := check.message(answers))}
    assert not complaints
    assert bench.score(answers) == 10


def test_alternative_gets_every_point(bench, alternative):
    scope = {"__name__": alternative.stem}
    exec(compile(alternative.read_text(encoding="utf-8"), alternative, "exec"), scope)
    with jax.enable_x64(False):  # as a learner's kernel starts
        complaints = {check.name: message for check in bench.checks if (message := check.message(scope))}
    assert not complaints


def test_writing_into_the_arguments_costs_nothing(bench):
    """Arrays, and what they are views of, are the learner's to overwrite."""

    def overwriting(f):
        def overwrites(*arguments):
            result = np.array(f(*arguments))
            for array in arrays(arguments):
                (array if array.base is None else array.base)[...] = np.nan
            return result

        return overwrites

    complaints = {c.name: message for c in bench.checks if (message := c.message(bench.replaced(overwriting)))}
    assert not complaints
    assert bench.score(bench.replaced(overwriting)) == 10


def test_returning_one_array_every_time_costs_nothing(bench):
    """An output buffer that the next call overwrites."""

    def buffered(f):
        buffers = {}

        def fills(*arguments):
            result = np.array(f(*arguments))
            buffer = buffers.setdefault(result.shape, np.empty(result.shape))
            buffer[...] = result
            return buffer

        return fills

    assert bench.score(bench.replaced(buffered)) == 10


def test_making_q_and_p_equal_and_answering_zero_gets_no_point(bench):
    """`p[...] = q; return 0`: the oracle must not look at what the learner's function left behind."""

    def equalizing(f):
        def equalizes(*arguments):
            zero = np.zeros(np.shape(f(*arguments)))
            given = arrays(arguments)
            half = len(given) // 2
            firsts = given[:half] if half else np.zeros(len(given))
            for q, p in zip(firsts, given[half:], strict=True):
                p[...] = q
            if hasattr(arguments[0], "rvs"):
                vars(arguments[1]).update(vars(arguments[0]))
            return zero

        return equalizes

    assert bench.score(bench.replaced(equalizing)) == 0


def test_every_set_has_two_alternatives_and_five_misconceptions(bench):
    assert len(bench.alternatives) >= 2
    assert len({slip["name"] for slip in bench.slips}) == len(bench.slips) >= 5


@pytest.mark.parametrize("result", [None, ..., "text", [1.0, [2.0]]], ids=["none", "ellipsis", "text", "ragged"])
def test_no_answer_gets_no_point_and_a_sentence(bench, result):
    silent = bench.replaced(lambda f: lambda *_: result)
    assert bench.score(silent) == 0
    for check in bench.checks:
        assert "Your function returns" in check.message(silent)


def test_missing_and_crashing_functions_get_a_sentence(bench):
    crashing = bench.replaced(lambda f: lambda *_: 1 / 0)
    for check in bench.checks:
        assert "No function has that name" in check.message({})
        assert "stopped with ZeroDivisionError" in check.message(crashing)


def test_misconception_is_caught_with_its_own_message(bench, slip):
    answers = bench.slipped(slip)
    said = {c.name: c.message(answers) for c in bench.checks if c.question == slip["question"] and not c.hidden}
    assert slip["says"] in said.values(), f"{slip['name']} hears instead: {said}"
    others = {other["says"] for other in bench.slips} - {slip["says"]}
    assert not others & set(said.values()), "the message of another misconception"


def test_misconception_costs_nothing_elsewhere(bench, slip):
    answers = bench.slipped(slip)
    assert all(c.message(answers) is None for c in bench.checks if c.question != slip["question"])


def test_messages_hold_no_code_and_no_number(bench, slip):
    assert not re.search(r"np\.|\*\*|[a-z_]\(|=|\d\.\d", slip["says"])
    assert set(slip) == {"name", "question", "why", "wrong", "says"}
    assert slip["question"] in bench.questions


def test_wrong_without_a_name_gives_nothing_away(bench):
    wrong = bench.replaced(lambda f: lambda *args: 1.2345 * np.asarray(f(*args)) + 0.2)
    for check in bench.checks:
        assert not re.search(r"\d\.\d", check.message(wrong))


def test_the_line_that_otter_quotes_holds_no_formula(bench, slip):
    for answers in (bench.slipped(slip), {}):
        for check in bench.checks:
            if check.question == slip["question"]:
                assert not re.search(r"log\(|sum|mean|exp|np\.log|entr| [-+/*] |\*\*", check.complaint(answers)[1])


def test_questions_state_points_minutes_level_and_objective(bench):
    for question, text in bench.questions.items():
        stated = re.search(
            r"\*(Easy|Easy to medium|Medium|Hard) · (\d+) minutes · (\d+) points? · Objective: .+\*", text
        )
        assert stated, f"{question} says no level, minutes, points and objective"
        assert int(stated[3]) == sum(check.points for check in bench.checks if check.question == question)
        assert "<details><summary>Hint</summary>" in text
    assert any(check.hidden for check in bench.checks)
