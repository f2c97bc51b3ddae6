"""Every link, anchor and image of the built book leads somewhere; and the check notices when one does not."""

import pytest

import links
from book import ROOT, missing, pages

ADVICE = "(after a change of the text: make book)"


@pytest.fixture(scope="module")
def html():
    if absent := missing():
        pytest.fail(f"not built: {', '.join(absent)}; the links were not checked {ADVICE}")
    return (ROOT / "_build/html").resolve()


def lines(found):
    return "\n".join([ADVICE, *found])


def test_everything_that_a_page_points_at_is_there(html):
    assert (found := links.faults(html)) == [], lines(found)


def test_every_page_is_reached_by_turning_pages_and_from_every_other(html):
    assert (found := links.astray(html, pages())) == [], lines(found)


def test_every_label_is_used():
    assert (found := links.unused_labels(ROOT, pages())) == [], lines(found)


def test_there_is_something_to_check(html):
    """So that silence means that all is well, not that nothing was read."""
    names = pages()
    assert {html / f"{name}.html" for name in names} <= set(links.files(html))
    for name in names:
        assert len(links.read(html / f"{name}.html").pointers) > 20, name
    chapter = links.read(html / "chapters/01-what-is-kl.html")
    assert any("#equation-eq-" in link for _, link in chapter.pointers) and any(
        ".svg" in link for _, link in chapter.pointers
    )


GOOD = """\
<nav><a href="#">top</a> <a href="b.html#there">next page</a> <a class="right-next" href="b.html">next</a></nav>
<p id="here" aria-describedby="note">Well.</p> <p id="note">See <code>{ref}`x`</code>, <a href="#here">here</a></p>
<img src="square.svg"> <img src="data:image/svg+xml;base64,AA"> <a href="https://doi.org/10.1/x_(1)">paper</a>
"""
DOCTORED = {
    "page": ("b.html#there", "c.html", "a.html:1: 'c.html' leads to a file that is not there or empty"),
    "anchor": ("b.html#there", "b.html#gone", "a.html:1: 'b.html#gone' leads to a page that has no such anchor"),
    "own anchor": ('"#here"', '"#hare"', "a.html:2: '#hare' leads to a page that has no such anchor"),
    "description": ('by="note"', 'by="nota"', "a.html:2: '#nota' leads to a page that has no such anchor"),
    "image": ("square.svg", "circle.svg", "a.html:3: 'circle.svg' leads to a file that is not there or empty"),
    "empty image": ("square.svg", "empty.svg", "a.html:3: 'empty.svg' leads to a file that is not there or empty"),
    "absolute": ("b.html#there", "/b.html", "a.html:1: '/b.html' leads out of the book"),
    "outside": ("b.html#there", "../x.html", "a.html:1: '../x.html' leads out of the book"),
    "insecure": ("https:", "http:", "a.html:3: 'http://doi.org/10.1/x_(1)' is no address of the form https://host/..."),
    "no host": ("https://doi.org", "https://doi", "a.html:3: 'https://doi/10.1/x_(1)' is no address"),
    "blank": ("10.1/x", "10.1/ x", "a.html:3: 'https://doi.org/10.1/ x_(1)' is no address"),
    "unresolved": ("Well.", "See Fig. ??.", "a.html:2: '??' stands where a reference should"),
    "role": ("Well.", "See {eq}`x`.", "a.html:2: '{eq}' stands where a reference should"),
    "twice": ('id="note"', 'id="here"', "a.html:1: the anchor 'here' stands 2 times"),
}


@pytest.fixture
def site(tmp_path):
    html = tmp_path.resolve() / "html"
    html.mkdir()
    (html / "a.html").write_text(GOOD)
    (html / "b.html").write_text('<h1 id="there">B</h1> <a class="left-prev" href="a.html">back</a>')
    (html / "square.svg").write_text("<svg/>")
    (html / "empty.svg").write_text("")
    (tmp_path / "x.html").write_text("outside")
    return html


def test_a_good_site_has_no_faults(site):
    assert links.faults(site) == [] and links.astray(site, ["a", "b"]) == []


@pytest.mark.parametrize("case", DOCTORED)
def test_a_doctored_page_is_named_with_its_line_and_link(site, case):
    old, new, fault = DOCTORED[case]
    assert GOOD.count(old) == 1
    (site / "a.html").write_text(GOOD.replace(old, new))
    found = links.faults(site)
    assert any(line.startswith(fault) for line in found), found
    assert len(found) == (2 if case == "twice" else 1), "and nothing else"


def test_a_link_is_named_once_a_page_and_where_it_stands_first(site):
    (site / "a.html").write_text(GOOD.replace("b.html#there", "c.html") + '<a href="c.html">again</a>')
    [found] = links.faults(site)
    assert found.startswith("a.html:1: 'c.html'")


def test_a_page_that_cannot_be_turned_is_named(site):
    (site / "b.html").write_text('<a href="a.html">back, but not by the button</a>')
    (site / "c.html").write_text('<a class="left-prev" href="b.html">back</a>')
    found = links.astray(site, ["a", "b", "c"])
    expected = ["a: no link to c", "b: previous", "b: next", "b: no link to c", "c: no link to a"]
    assert [line.split(" leads")[0] for line in found] == expected


def test_a_label_that_nothing_points_at_is_named(tmp_path):
    (tmp_path / "one.md").write_text(
        "(ch-one)=\n# One\n\n(used)=\n## Used\n\n(lost)=\n## Lost\n\n{ref}`two <ch-two>`\n"
    )
    (tmp_path / "two.md").write_text("(ch-two)=\n# Two\n\nSee {ref}`used`, and `(kept)=` in a sentence.\n")
    assert links.unused_labels(tmp_path, ["one", "two"]) == ["one.md: nothing points at the label 'lost'"]
