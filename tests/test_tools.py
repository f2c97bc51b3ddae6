"""The tools around the book: what they refuse, what they find, and what they notice."""

import subprocess
import sys
from pathlib import Path

import pytest
from minibook import ROOT

import book
import check
import choices
import inputs
import notebooks
import repository
from course import figures


@pytest.fixture
def house(tmp_path):
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).write_text("a==1\n")
    (tmp_path / "vi_lab").mkdir()
    (tmp_path / "vi_lab/a.py").write_text("A = 1\n")
    return tmp_path


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
        ("ssh://git@gitlab.example.com:2222/group/course.git", "https://gitlab.example.com/group/course"),
        ("https://git.example.org:8443/a/b", "https://git.example.org:8443/a/b"),
        ("http://git.example.org:3000/a/b.git", "http://git.example.org:3000/a/b"),
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
    # A copy without history, unpacked there, is not what that address holds.
    (tmp_path / "copy").mkdir()
    assert repository.find({}, tmp_path / "copy") is None


def test_the_branch_is_the_one_built_or_the_one_the_remote_calls_its_own(tmp_path):
    address = {"VI_LAB_REPOSITORY": "https://github.com/a/b"}
    branch = lambda **told: repository.find(address | told, tmp_path).branch  # noqa: E731
    assert branch() == "main"
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    head = ["git", "-C", str(tmp_path), "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk"]
    subprocess.run(head, check=True)
    assert branch() == "trunk"
    assert branch(GITHUB_REF="refs/pull/7/merge") == "trunk"
    assert branch(GITHUB_REF="refs/heads/topic/a") == "topic/a"
    assert branch(GITHUB_REF="refs/heads/topic", VI_LAB_BRANCH="dev") == "dev"


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


def test_second_pages_and_parts_without_caption_are_pages(tmp_path):
    toc = "parts: [{chapters: [{file: a, sections: [{file: a2}]}, {file: b}]}, {chapters: [{file: c}]}]"
    (tmp_path / "_toc.yml").write_text(f"root: intro\n{toc}\n")
    assert book.pages(tmp_path) == ["intro", "a", "a2", "b", "c"]
    assert {path.stem for path in (ROOT / "chapters").glob("*.md")} == {Path(page).name for page in book.pages()[1:]}


def test_what_has_a_kernel_becomes_a_notebook(tmp_path):
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters/b.md").write_text("---\njupytext: {}\nkernelspec: {name: python3}\n---\n# B\n")
    (tmp_path / "chapters/c.md").write_text("# C\n\n---\n\nkernelspec: is only a word here\n")
    (tmp_path / "chapters/a.md").write_text("---\nkernelspec: {name: python3}\n---\n")
    assert [path.name for path in notebooks.chapters(tmp_path)] == ["a.md", "b.md"]


def test_importing_the_library_does_not_import_matplotlib():
    check = "import sys, vi_lab; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_source_that_was_never_added_to_git_is_noticed(tmp_path):
    assert check.untracked(tmp_path) == []
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name in ("tools/kept.py", "tools/new.py", "tools/built.pyc", "elsewhere/new.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / ".gitignore").write_text("*.pyc\n")
    subprocess.run(["git", "-C", str(tmp_path), "add", "tools/kept.py"], check=True)
    assert check.untracked(tmp_path) == ["tools/new.py"]
