"""A workbench for the checks of a set: they run here in-process, without otter and without a kernel."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

import exercises

ANSWERS = Path(__file__).parent / "answers"


@dataclass(frozen=True)
class Check:
    question: str
    source: str
    points: float
    hidden: bool

    @property
    def name(self) -> str:
        return re.search(r"def (test_\w+)", self.source)[1]

    def message(self, answers: dict) -> str | None:
        """What the check says about the answers; None when it passes."""
        return self.complaint(answers)[0]

    def complaint(self, answers: dict) -> tuple[str | None, str]:
        """What the check says, and the line of it that otter quotes beside. otter passes arguments by name, too."""
        scope = {}
        exec(self.source, scope)
        function = scope[self.name]
        wanted = function.__code__.co_varnames[: function.__code__.co_argcount]
        try:
            function(**{name: answers.get(name) for name in wanted})
        except AssertionError as feedback:
            quoted = self.source.splitlines()[feedback.__traceback__.tb_next.tb_lineno - 1]
            return " ".join(str(feedback).split()), quoted
        return None, ""


class Workbench:
    """One set: its questions, checks, reference answers and misconceptions, read from the expanded master."""

    def __init__(self, name: str):
        self.name = name
        self.notebook = exercises.expand(exercises.EXERCISES / f"{name}.md")
        self.slips = exercises.catalogue(name)
        self.alternatives = sorted((ANSWERS / name).glob("*.py"))
        self.questions, self.solutions, self.checks = {}, {}, []
        place = question = None
        for cell in self.notebook.cells:
            if cell.cell_type == "code":
                self._read(cell.source, place, question)
                continue
            if begun := re.search(r"# BEGIN QUESTION\nname: (\w+)", cell.source):
                question = begun[1]
                self.questions[question] = cell.source
            place = re.findall(r"# (BEGIN SOLUTION|BEGIN TESTS|END QUESTION)|$", cell.source)[-2:][0] or place

    def _read(self, source, place, question):
        if place == "BEGIN SOLUTION":
            self.solutions[question] = source
        elif place == "BEGIN TESTS":
            config, source = source.split('""" # END TEST CONFIG\n')
            settings = yaml.safe_load(config.split("# BEGIN TEST CONFIG\n")[1])
            self.checks.append(Check(question, source, settings["points"], settings.get("hidden", False)))

    def answers(self, *questions: str) -> dict:
        """The reference answers to the questions, to all of them by default."""
        return run("\n".join(self.solutions[q] for q in questions or self.solutions))

    def slipped(self, slip: dict) -> dict:
        """The reference answers, but for one that slipped."""
        return self.answers() | run(slip["wrong"])

    def replaced(self, change) -> dict:
        """The reference answers, each function f replaced by change(f)."""
        functions = {name: f for name, f in self.answers().items() if callable(f) and hasattr(f, "__code__")}
        return {name: change(f) for name, f in functions.items()}

    def score(self, answers: dict) -> float:
        return sum(check.points for check in self.checks if check.message(answers) is None)

    def with_seed(self, seed: int) -> list[Check]:
        """The checks as another class would get them."""
        fixed = r"SEED = \d+"
        return [Check(c.question, re.sub(fixed, f"SEED = {seed}", c.source), c.points, c.hidden) for c in self.checks]


def run(source: str) -> dict:
    """What a learner's kernel holds after running this code."""
    scope = {"np": np}
    exec(source, scope)
    return scope


SETS = [path.stem for path in exercises.masters()]
BENCHES = {name: Workbench(name) for name in SETS}


@pytest.fixture(scope="session")
def benches() -> dict[str, Workbench]:
    return BENCHES


def pytest_generate_tests(metafunc):
    """Tests of every set, of every misconception, and of every right answer written differently."""
    names = metafunc.fixturenames
    if "slip" in names:
        pairs = [pytest.param(b, s, id=s["name"]) for b in BENCHES.values() for s in b.slips]
        metafunc.parametrize("bench, slip", pairs)
    elif "alternative" in names:
        files = [(b, path) for b in BENCHES.values() for path in b.alternatives]
        metafunc.parametrize("bench, alternative", [pytest.param(*f, id=f"{f[0].name}-{f[1].stem}") for f in files])
    elif "bench" in names:
        metafunc.parametrize("bench", BENCHES.values(), ids=SETS)
