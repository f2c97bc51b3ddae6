"""The tools around the book: what they refuse, what they find, and what they notice."""

import subprocess
import sys

import pytest
from minibook import ROOT

import book
import choices
import env
import inputs
import repository
from course import figures


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 9, 1), (3, 10, 13)])
def test_an_old_python_is_turned_away_in_one_sentence(version):
    sentence = env.too_old(version)
    assert sentence.startswith("Python 3.11 or newer is needed")
    assert f"is {version[0]}.{version[1]}:" in sentence
    assert sentence.count("\n") == 0


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 13, 1), (4, 0, 0)])
def test_a_new_python_is_welcome(version):
    assert env.too_old(version) is None


def test_the_environment_is_made_by_syntax_that_old_pythons_parse():
    source = (ROOT / "tools/env.py").read_text()
    compile(source, "env.py", "exec", dont_inherit=True)
    assert "f'" not in source
    assert 'f"' not in source
    assert ":=" not in source


@pytest.fixture
def house(tmp_path):
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).write_text("a==1\n")
    (tmp_path / "vi_lab").mkdir()
    (tmp_path / "vi_lab/a.py").write_text("A = 1\n")
    return tmp_path


def test_the_environment_is_made_anew_when_what_it_is_made_from_changes(house):
    first = env.stamp(str(house), (3, 11, 7))
    assert first == env.stamp(str(house), (3, 11, 7))
    assert first.splitlines()[0] != env.stamp(str(house), (3, 13, 0)).splitlines()[0]
    (house / "requirements.txt").write_text("a==2\n")
    assert first != env.stamp(str(house), (3, 11, 7))


@pytest.mark.parametrize("change", ["vi_lab/a.py", "vi_lab/new.csv", "requirements.txt"])
def test_executed_outputs_are_not_reused_when_anything_they_saw_changes(house, change):
    before = inputs.execution_key(house)
    (house / change).write_text("A = 2\n")
    assert inputs.execution_key(house) != before
    assert inputs.book_key(house) != before


def test_compiled_files_are_no_inputs(house):
    before = inputs.execution_key(house)
    (house / "vi_lab/__pycache__").mkdir()
    (house / "vi_lab/__pycache__/a.pyc").write_text("x")
    assert inputs.execution_key(house) == before


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://github.com/someone/course.git", "https://github.com/someone/course"),
        ("git@github.com:someone/course.git\n", "https://github.com/someone/course"),
        ("ssh://git@gitlab.com/group/sub/course", "https://gitlab.com/group/sub/course"),
        ("https://user:secret@github.com/someone/course", "https://github.com/someone/course"),
        ("/srv/git/course", None),
        ("../course", None),
        ("file:///srv/course", None),
        ("", None),
    ],
)
def test_only_a_hosted_address_is_an_address(address, url):
    found = repository.parse(address)
    assert (found and found.url) == url


def test_the_address_comes_from_the_environment_first(tmp_path):
    told = {"VI_LAB_REPOSITORY": "https://github.com/a/b", "GITHUB_REPOSITORY": "c/d", "VI_LAB_BRANCH": "dev"}
    assert repository.find(told, tmp_path) == repository.Repository("github.com", "a", "b", "dev")
    assert repository.find({"GITHUB_REPOSITORY": "c/d"}, tmp_path).url == "https://github.com/c/d"
    assert repository.find({}, tmp_path) is None


def test_the_address_comes_from_the_git_remote(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert repository.find({}, tmp_path) is None
    remote = ["git", "-C", str(tmp_path), "remote", "add", "origin", "git@github.com:e/f.git"]
    subprocess.run(remote, check=True)
    assert repository.find({}, tmp_path).url == "https://github.com/e/f"


def test_only_hosts_that_can_open_a_notebook_get_a_button():
    gitlab = repository.parse("https://gitlab.com/group/sub/course")
    assert gitlab.colab("n.ipynb") is None
    assert gitlab.binder("n.ipynb").startswith("https://mybinder.org/v2/gl/group%2Fsub%2Fcourse/main?")
    elsewhere = repository.parse("https://git.example.org/a/b")
    assert elsewhere.binder("n.ipynb") is None


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["- [x] Yes.", "  Why."], "needs at least two choices, got 1"),
        (["- [ ] No.", "  Why.", "- [ ] Yes.", "  Why."], r"exactly one choice marked \[x\], got 0"),
        (["- [x] No.", "  Why.", "- [x] Yes.", "  Why."], r"exactly one choice marked \[x\], got 2"),
        (["- [x] No.", "  Why.", "- [ ] Yes."], "the choice 'Yes.' has no reason under it"),
        (["Some text", "- [x] No."], r"expected a choice '- \[ \] ...', got 'Some text'"),
    ],
)
def test_a_prediction_that_cannot_be_answered_is_an_error(lines, fault):
    with pytest.raises(ValueError, match=fault):
        choices.read(lines)


def test_alternative_text_is_what_stands_before_the_data():
    assert figures.alternative_text("Two bells,\n0.5 nats apart.\n[data] q: 1") == "Two bells, 0.5 nats apart."
    assert figures.alternative_text("[data] q: 1") == ""


def test_every_page_of_the_table_of_contents_is_expected():
    assert book.pages()[0] == "intro"
    assert all((ROOT / f"{page}.md").exists() for page in book.pages())
    assert set(book.pages()) >= {"chapters/claims", "chapters/bibliography"}


def test_the_lock_names_no_registry_and_pins_everything():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert pins.pop() == "-e ."
    assert all("==" in line.split(";")[0] for line in pins)
    assert "://" not in "".join(pins)


def test_importing_the_library_does_not_import_matplotlib():
    check = "import sys, vi_lab; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
