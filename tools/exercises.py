"""Make the students' notebooks and the autograders from the masters: `python tools/exercises.py build|check`.

A master is MyST text in otter-grader's own syntax (exercises/README.md). Its checks share code and messages; both
are copied into every check before otter reads it, so that a student's file stands alone.
"""

import argparse
import ast
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[1]
EXERCISES = ROOT / "exercises"
STUDENT = EXERCISES / "student"
AUTOGRADERS = ROOT / "_build" / "exercises"


def masters():
    """The hand-edited sources, one a chapter."""
    return sorted(EXERCISES.glob("[0-9][0-9]-*.md"))


def catalogue(name):
    """The misconceptions of a set, in the order of their questions."""
    return yaml.safe_load((EXERCISES / "misconceptions" / f"{name}.yml").read_text(encoding="utf-8"))


def closure(wanted, module, where):
    """The top-level statements of `module` that the `wanted` names need, in their order in the file."""
    defines = {}
    for node in module.body:
        names = getattr(node, "names", None) or getattr(node, "targets", None) or [node]
        for name in names:
            key = getattr(name, "asname", None) or getattr(name, "name", None) or getattr(name, "id", None)
            defines[key] = node
    if unknown := [name for name in wanted if name not in defines]:
        raise ValueError(f"{where} imports {', '.join(unknown)} from `checks`; checks.py needs to define that")
    needed, queue = set(), list(wanted)
    while queue:
        node = defines[queue.pop()]
        if node not in needed:
            needed.add(node)
            queue += [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in defines]
    return [node for node in module.body if node in needed]


def inline(source, says, place):
    """Replace a check's imports from `checks` and from `misconceptions` by what they stand for.

    `place` is the master and the question, for the author to find a check that cannot be made.
    """
    tree = ast.parse(source)
    check = next((node for node in tree.body if isinstance(node, ast.FunctionDef)), None)
    if check is None or not check.name.startswith("test_"):
        return source
    where = f"{place}, {check.name}"
    shared = ast.parse((EXERCISES / "checks.py").read_text(encoding="utf-8"))
    body = []
    for node in check.body:
        origin = getattr(node, "module", None)
        if origin == "checks":
            body += closure([alias.name for alias in node.names], shared, where)
        elif origin == "misconceptions":
            body += ast.parse(f"says = {says!r}").body
        else:
            body.append(node)
    check.body = body
    return with_points(source[: source.index("def test_")], check.name, where) + ast.unparse(check)


def with_points(config, name, where):
    """Let otter say beside each check what it is about and what it is worth, whether it passes or not."""
    stated = re.search(r"^points: (\d+(?:\.\d+)?)$", config, re.MULTILINE)
    if stated is None:
        raise ValueError(f"{where} states no points; its test config needs a line like `points: 0.5`")
    points = stated[1]
    title = name.removeprefix("test_").replace("_", " ").capitalize()
    worth = f"{points} {'point' if float(points) == 1 else 'points'}"
    messages = f'success_message: "{title}: {points} of {worth}."\nfailure_message: "{title}: 0 of {worth}."\n'
    return config.replace('""" # END', messages + '""" # END')


def expand(path):
    """The master as the notebook that otter reads: every check made self-contained."""
    notebook = jupytext.read(path)
    question = None
    for cell in notebook.cells:
        if "# BEGIN QUESTION" in cell.source:
            question = cell.source.split("# BEGIN QUESTION\nname: ")[1].split()[0]
        if cell.cell_type == "code":
            says = {slip["name"]: slip["says"] for slip in catalogue(path.stem) if slip["question"] == question}
            cell.source = inline(cell.source, says, f"{path.name}, {question}")
    return notebook


def normalised(notebook):
    """The same notebook without what changes from machine to machine or from run to run."""
    otter = notebook.metadata["otter"]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.source = cell.source.strip()
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
        "otter": otter,
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def assign(path, out):
    """Run `otter assign`, which fails if the reference solution does. The autograder goes to `out`.

    Returns the text of the student's file.
    """
    with tempfile.TemporaryDirectory() as scratch:
        notebook, dist = Path(scratch) / f"{path.stem}.ipynb", Path(scratch) / "dist"
        nbformat.write(expand(path), notebook)
        command = [sys.executable, "-m", "otter", "assign", str(notebook), str(dist)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{path.name}: otter assign failed.\n{done.stdout}\n{done.stderr}")
        out.mkdir(parents=True, exist_ok=True)
        shutil.copy(dist / "autograder" / notebook.name, out)
        # otter puts the time into the archive's name; whoever grades wants to know the name beforehand.
        shutil.copy(next((dist / "autograder").glob("*.zip")), out / f"{path.stem}-autograder.zip")
        return normalised(nbformat.read(dist / "student" / notebook.name, as_version=4))


def main(verb):
    """Write the students' files, or compare them with what the masters make."""
    stale = []
    for path in masters():
        made = assign(path, AUTOGRADERS)
        committed = STUDENT / f"{path.stem}.ipynb"
        if verb == "build":
            committed.parent.mkdir(exist_ok=True)
            committed.write_text(made, encoding="utf-8")
            print(f"{path.stem}: wrote {committed.relative_to(ROOT)}, autograder in {AUTOGRADERS.relative_to(ROOT)}")
        elif not committed.exists() or committed.read_text(encoding="utf-8") != made:
            stale.append(str(committed.relative_to(ROOT)))
    if stale:
        raise SystemExit(f"Not what the masters make: {', '.join(stale)}. Run `make exercises`, commit the result.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=["build", "check"])
    main(parser.parse_args().verb)
