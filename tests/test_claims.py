"""Every claim of the book has its proof, every proof its claim; and the bookkeeping notices when not."""

import glued
import nbformat
import pytest

from claims import Claim, Proof, claims, faults, proofs

PROOF = """\
from claims import proves


@proves("first", oracle="closed form", tolerance="1e-12")
@proves("second", oracle="sum over" " all letters", tolerance="|z| < 5")
def test_both():
    pass
"""


@pytest.fixture
def house(tmp_path):
    (tmp_path / "tests/claims").mkdir(parents=True)
    (tmp_path / "chapters").mkdir()
    (tmp_path / "tests/claims/test_01_x.py").write_text(PROOF)
    (tmp_path / "chapters/01-x.md").write_text("It is so.{claim}`first`\n\nAnd so.{claim}`second`\n")
    (tmp_path / "intro.md").write_text("# Start\n")
    return tmp_path


def test_every_claim_of_the_book_is_proved():
    assert faults(claims(), proofs()) == []


def test_claims_and_proofs_are_read_from_the_source(house):
    assert proofs(house) == [
        Proof("first", "closed form", "1e-12", "tests/claims/test_01_x.py::test_both"),
        Proof("second", "sum over all letters", "|z| < 5", "tests/claims/test_01_x.py::test_both"),
    ]
    assert claims(house) == [Claim("first", "chapters/01-x", 1), Claim("second", "chapters/01-x", 3)]
    assert faults(claims(house), proofs(house)) == []


@pytest.mark.parametrize(
    ("chapter", "fault"),
    [
        (
            "A.{claim}`first` B.{claim}`second` C.{claim}`third`",
            "01-x.md:1: claim 'third' has no proof in tests/claims",
        ),
        ("A.{claim}`first`", "test_01_x.py::test_both: proves 'second', which no page claims"),
        ("A.{claim}`first`{claim}`second`\nB.{claim}`first`", "01-x.md:2: claim 'first' is already made at"),
    ],
)
def test_a_claim_without_proof_or_a_proof_without_claim_is_a_fault(house, chapter, fault):
    (house / "chapters/01-x.md").write_text(chapter)
    [found] = faults(claims(house), proofs(house))
    assert fault in found


@pytest.mark.parametrize("page", ["intro", "chapters/takeaways"])
def test_a_page_that_is_no_chapter_needs_proofs_too(house, page):
    (house / f"{page}.md").write_text("C.{claim}`third`")
    assert faults(claims(house), proofs(house)) == [f"{page}.md:1: claim 'third' has no proof in tests/claims"]


@pytest.mark.parametrize(
    "function",
    [
        "{mark}\ndef helper():\n    pass\n",
        "def test_outer():\n    {mark}\n    def test_inner():\n        pass\n",
        "class Helpers:\n    {mark}\n    def test_it(self):\n        pass\n",
        "@pytest.mark.skip\n{mark}\ndef test_it():\n    pass\n",
        "{mark}\n@pytest.mark.skipif(True, reason='slow')\ndef test_it():\n    pass\n",
        "@pytest.mark.parametrize('x', [param(1, marks=xfail)])\n{mark}\ndef test_it(x):\n    pass\n",
    ],
)
def test_a_proof_that_may_not_run_is_no_proof(house, function):
    mark = '@proves("skips-nothing", oracle="closed form", tolerance="1e-12")'
    (house / "tests/claims/test_01_x.py").write_text(function.format(mark=mark))
    with pytest.raises(ValueError, match="needs a test at the top of the file that always runs"):
        proofs(house)


def test_the_name_of_a_claim_is_no_reason_to_refuse_its_proof(house):
    mark = '@proves("xfail-skips", oracle="closed form", tolerance="1e-12")'
    (house / "tests/claims/test_01_x.py").write_text(f"{mark}\ndef test_it():\n    pass\n")
    assert [proof.claim for proof in proofs(house)] == ["xfail-skips"]


@pytest.mark.parametrize("missing", ["oracle", "tolerance"])
def test_an_empty_oracle_or_tolerance_is_a_fault(missing):
    given = {"oracle": "closed form", "tolerance": "exact"} | {missing: ""}
    stated, proven = [Claim("first", "chapters/01-x", 1)], [Proof("first", test="t", **given)]
    assert faults(stated, proven) == [f"t: the {missing} is empty"]


@pytest.mark.parametrize("mark", ['@proves("first", oracle="x")', '@proves("first", oracle=X, tolerance="y")'])
def test_a_mark_that_cannot_be_read_is_an_error(house, mark):
    (house / "tests/claims/test_01_x.py").write_text(f"{mark}\ndef test_it():\n    pass\n")
    with pytest.raises(ValueError, match="test_it: @proves needs a claim, oracle= and tolerance="):
        proofs(house)


@pytest.fixture
def executed(tmp_path):
    """Two chapters, the second of two pages, each page with one number."""
    (tmp_path / "_build/jupyter_execute/chapters").mkdir(parents=True)
    (tmp_path / "chapters").mkdir()
    for value, page in enumerate(("01-a", "02-a", "02-b")):
        (tmp_path / f"chapters/{page}.md").write_text("")
        shown(tmp_path, page, f"ch{page}", value)
    return tmp_path


def shown(root, page, name, value):
    """Executes the page, as far as a test can tell: it glues the value under the name."""
    record = {"text/plain": repr(value)}
    output = nbformat.v4.new_output("display_data", record, metadata={"scrapbook": {"name": name}})
    cell = nbformat.v4.new_code_cell("", outputs=[output])
    path = root / f"_build/jupyter_execute/chapters/{page}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)


def test_the_numbers_of_a_chapter_are_those_of_all_its_pages(executed):
    assert glued.values("01", executed) == {"ch01-a": 0}
    assert glued.values("02", executed) == {"ch02-a": 1, "ch02-b": 2}


def test_a_page_that_is_missing_or_shares_a_name_is_an_error(executed):
    with pytest.raises(AssertionError, match=r"no page chapters/03-\*\.md"):
        glued.values("03", executed)
    (executed / "chapters/01-b.md").write_text("")
    with pytest.raises(AssertionError, match=r"no executed 01-b\.ipynb: `make book` executes"):
        glued.values("01", executed)
    shown(executed, "02-b", "ch02-a", 2)
    with pytest.raises(AssertionError, match=r"02-b\.md glues again: \['ch02-a'\]"):
        glued.values("02", executed)
