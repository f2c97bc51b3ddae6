"""The road from text to pages and notebooks, walked with a book of one page."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from minibook import ROOT, MiniBook

from book import missing

PRINTED = '[{"name": "stdout", "output_type": "stream", "text": "answer 41\\n"}]'
NBVAL = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env"]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A built book; the tests of this module run in order and leave it built."""
    made = MiniBook(tmp_path_factory.mktemp("mini") / "book")
    done = made.run("book.py")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_the_page_shows_what_its_cells_computed(book):
    page = book.page()
    assert "answer 41" in page
    assert "41.0" in page
    assert 'alt="A square of side 9."' in page
    assert '<details class="prediction-fails" name="mini-predict">' in page


def test_tabs_stand_one_under_the_other_in_the_notebook(book):
    assert book.page().count('class="sd-tab-label"') == 2
    text = "".join(json.loads(book.notebook())["cells"][-1]["source"])
    code = "`vi_lab/__init__.py`:\n\n```python\nANSWER = 41\n```"
    assert text.endswith(f"**One, $\\mathbb{{E}}$**\n\n{code}\n\n**Two**\n\nBy (1).")


def test_without_an_address_buttons_are_left_out_and_the_build_says_so(book):
    assert "launch buttons left out" in (book.root / "_build/book.log").read_text()
    assert "mybinder" not in book.page() + book.page("intro")


def test_unchanged_inputs_build_nothing(book):
    done = book.run("book.py")
    assert done.returncode == 0
    assert done.stdout == "book: _build/html/index.html is up to date\n"


def test_a_notebook_that_is_gone_is_built_again(book):
    made = book.root / "_build/html/notebooks/01-mini.ipynb"
    before = made.read_text()
    assert missing(book.root) == []
    made.unlink()
    assert missing(book.root) == ["notebooks/01-mini.ipynb"]
    made.write_text(before)


@pytest.mark.parametrize("verb", ["write", "check"])
def test_without_built_notebooks_nothing_is_written_and_nothing_is_the_same(tmp_path, verb):
    unbuilt = MiniBook(tmp_path / "book")
    kept = unbuilt.root / "notebooks/01-mini.ipynb"
    kept.parent.mkdir()
    kept.write_text("{}")
    done = unbuilt.run("notebooks.py", verb)
    assert (done.returncode, done.stderr) == (1, "notebooks: no built notebooks: make book first\n")
    assert kept.read_text() == "{}"


def test_an_edited_library_shows_no_old_number_and_coming_back_changes_no_byte(book):
    before = book.notebook()
    assert book.run("notebooks.py", "write").returncode == 0
    book.answer(42)
    assert book.run("book.py").returncode == 0
    assert "answer 42" in book.page()
    assert "answer 41" not in book.page()
    check = book.run("notebooks.py", "check")
    assert check.returncode == 1
    assert '-     "text": "answer 41\\n"' in check.stdout
    assert '+     "text": "answer 42\\n"' in check.stdout
    book.answer(41)
    shutil.rmtree(book.root / "_build")
    assert book.run("book.py").returncode == 0
    assert book.notebook() == before
    assert book.run("notebooks.py", "check").returncode == 0


def test_a_known_address_gives_buttons_for_the_notebook(book):
    done = book.run("book.py", VI_LAB_REPOSITORY="https://github.com/someone/course")
    assert done.returncode == 0, done.stderr
    page = book.page()
    assert "mybinder.org/v2/gh/someone/course/main?urlpath=lab/tree/notebooks/01-mini.ipynb" in page
    assert "github/someone/course/blob/main/notebooks/01-mini.ipynb" in page
    assert "../_sources/../notebooks/01-mini.ipynb" in page
    assert "git+https://github.com/someone/course" in book.page("intro")
    # Nothing was executed anew, and still the executed chapter has its outputs, which tests of numbers read.
    assert "Using cached notebook" in done.stdout
    executed = json.loads((book.root / "_build/jupyter_execute/chapters/01-mini.ipynb").read_text())
    assert any(cell.get("outputs") for cell in executed["cells"])


def test_nbval_fails_on_a_changed_number_or_figure_or_a_missing_output(book, tmp_path):
    right = book.notebook()
    (tmp_path / "right.ipynb").write_text(right)
    (tmp_path / "number.ipynb").write_text(with_outputs(right, "answer 41", "answer 40"))
    (tmp_path / "data.ipynb").write_text(with_outputs(right, "[data] side 9", "[data] side 8"))
    (tmp_path / "words.ipynb").write_text(with_outputs(right, "of side 9.", "of side 8."))
    (tmp_path / "missing.ipynb").write_text(with_outputs(right, PRINTED, "[]"))
    shutil.copy(ROOT / "notebooks/conftest.py", tmp_path)
    settings = os.environ | {"PYTHONPATH": str(book.root)}
    done = subprocess.run([*NBVAL, "."], cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)
    failed = set(re.findall(r"^FAILED (\w+)\.ipynb", done.stdout, re.M))
    assert failed == {"number", "data", "words", "missing"}, done.stdout


def test_a_failing_cell_stops_the_build_and_is_named(book):
    with book.edited(("vi_lab.ANSWER)\n", "vi_lab.QUESTION)\n")):
        done = book.run("book.py")
    assert done.returncode == 1
    assert "chapters/01-mini.md: cell 1, which begins `import vi_lab`, failed: AttributeError: " in done.stderr


def test_every_fault_of_a_page_stops_the_build_and_is_named(book):
    faults = {
        ("A square of side 9.\\n", ""): "a figure has no alternative text",
        ("- [x] No.", "- [ ] No."): "prediction 'mini-predict': needs exactly one choice marked [x], got 0",
        ("The answer is", "By {eq}`eq-none`, it is"): "equation not found: eq-none",
        (".1f`.\n", ".1f`, {unknown}`x`.\n"): 'Unknown interpreted text role "unknown"',
        ("small page\n", "page\n\nSmall.{claim}`mini-none`\n"): "claim 'mini-none' has no proof in tests/claims",
    }
    with book.edited(*faults):
        done = book.run("book.py")
    assert done.returncode == 1
    for message in faults.values():
        assert message in done.stdout, done.stdout


def test_what_was_executed_while_the_library_changed_is_kept_for_no_state_of_it(book):
    editing = 'from pathlib import Path\nPath("../vi_lab/__init__.py").write_text("ANSWER = 42\\n")\nimport vi_lab\n'
    with book.edited(("import vi_lab\n", editing)):
        done = book.run("book.py")
    book.answer(41)
    assert done.returncode == 1
    assert "book: files changed while it was being built; run make book again" in done.stderr
    assert not (book.root / "_build/made-from").exists()
    assert list((book.root / "_build/.jupyter_cache").glob("*/executed/*")) == []


def with_outputs(text, old, new):
    """The notebook with other outputs, and the same cells."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell.get("outputs"):
            cell["outputs"] = json.loads(json.dumps(cell["outputs"]).replace(old, new))
    changed = json.dumps(notebook)
    assert json.loads(changed) != json.loads(text)
    return changed
