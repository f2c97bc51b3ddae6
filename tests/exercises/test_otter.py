"""The real tools, once each: otter makes and grades the notebooks, a kernel runs them."""

import json
import re
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

import exercises

NAME = "01-what-is-kl"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The student's text as the master makes it now, and the folder with the autograder."""
    out = tmp_path_factory.mktemp("autograder")
    return exercises.assign(exercises.EXERCISES / f"{NAME}.md", out), out


def answered(student: str, answers: dict[str, str]):
    """The student's notebook with some of its functions replaced: name of the function -> code."""
    notebook = nbformat.reads(student, as_version=4)
    for cell in notebook.cells:
        defined = re.match(r"def (\w+)", cell.source)
        if cell.cell_type == "code" and defined and defined[1] in answers:
            cell.source = answers[defined[1]]
    return notebook


def plain_text(cell):
    """All that a cell shows, as text."""
    return "\n".join(out.get("text") or out["data"]["text/plain"] for out in cell.get("outputs", ()))


def solutions(bench, *questions):
    return {re.match(r"def (\w+)", bench.solutions[q])[1]: bench.solutions[q] for q in questions}


def test_committed_notebook_is_what_the_master_makes(made):
    committed = (exercises.STUDENT / f"{NAME}.ipynb").read_text(encoding="utf-8")
    assert committed == made[0], "run `make exercises` and commit the result"


def test_student_file_holds_no_solution_no_hidden_check_and_no_trace(made, benches):
    student, bench = made[0], benches[NAME]
    text = "\n".join(cell.source for cell in nbformat.reads(student, as_version=4).cells)
    for solution in bench.solutions.values():
        body = solution.split("# BEGIN SOLUTION\n")[1].split("# END SOLUTION")[0]
        for line in filter(None, map(str.strip, body.splitlines())):
            assert json.dumps(line)[1:-1] not in student, f"solution line {line!r}"
    for check in bench.checks:
        assert (check.name in student) is not check.hidden
        assert check.name not in text
    for slip in bench.slips:
        assert slip["why"] not in student
        assert slip["wrong"] not in text
    otters = ("hidden=True", "# BEGIN", "# END", "SOLUTION", "autograder/")
    for trace in (*otters, r"\\KL", r"\\E_", r"\\Normal", r"\\R^"):
        assert trace not in student, trace


def test_student_file_is_normalised(made):
    notebook = json.loads(made[0])
    assert [cell["id"] for cell in notebook["cells"]] == [f"cell-{i:02d}" for i in range(len(notebook["cells"]))]
    assert set(notebook["metadata"]) == {"kernelspec", "language_info", "otter"}
    assert all(not cell.get("outputs") for cell in notebook["cells"])


def test_untouched_notebook_gets_no_point(made, benches):
    notebook = nbformat.reads(made[0], as_version=4)
    code = [c.source for c in notebook.cells if c.cell_type == "code" and "grader" not in c.source]
    scope = {}
    exec("\n".join(code), scope)
    assert benches[NAME].score(scope) == 0


def test_otter_gives_half_done_work_its_half(made, benches, tmp_path):
    student, autograder = made
    submission = tmp_path / f"{NAME}.ipynb"
    nbformat.write(answered(student, solutions(benches[NAME], "q1", "q2", "q3")), submission)
    archive = autograder / f"{NAME}-autograder.zip"
    command = ["otter", "run", str(submission), "-a", str(archive), "-o", str(tmp_path), "--no-logo"]
    graded = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert graded.returncode == 0, graded.stderr
    results = json.loads((tmp_path / "results.json").read_text())["tests"]
    assert sum(test.get("score", 0) for test in results) == 5
    assert sum(test.get("max_score", 0) for test in results) == 10


def test_notebook_runs_to_its_end_and_names_the_slip(made, benches, tmp_path):
    """One question wrong, the others untouched, in a kernel that sees nothing but this one file."""
    slip = benches[NAME].slips[0]
    notebook = answered(made[0], {"surplus_bits": slip["wrong"]})
    nbformat.write(notebook, tmp_path / f"{NAME}.ipynb")
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {cell.source: " ".join(plain_text(cell).split()) for cell in notebook.cells}
    assert slip["says"] in shown['grader.check("q1")']
    assert "returns nothing yet" in shown['grader.check("q2")']
    assert any("0 of the 8 points that are checked here" in text for text in shown.values())


def test_solved_notebook_passes_nbval(made, benches, tmp_path):
    bench = benches[NAME]
    solved = tmp_path / f"{NAME}.ipynb"
    nbformat.write(answered(made[0], solutions(bench, *bench.solutions)), solved)
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider"]
    run = subprocess.run([*command, str(solved)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stdout
    assert re.search(r"\d+ passed", run.stdout)
