"""The text of a chapter in its notebook: each piece of MyST rewritten, macros expanded, the rest refused."""

import re

import pytest
from minibook import ROOT

import citations
import include
import macros
import myst

TABLE = {
    "KL": (r"\operatorname{KL}(#1 \parallel #2)", 2),
    "E": (r"\mathbb{E}", 0),
    "dd": (r"\mathrm{d}", 0),
    "given": (r"\mid", 0),
}


@pytest.fixture
def chapter():
    return myst.Chapter(
        ROOT / "chapters/01-what-is-kl.md",
        glued={"ch1-tax": "0.3456", "ch1-name": "'French'"},
        references={
            "eq-kl": {"text": "(1.2)", "page": "chapters/01-what-is-kl"},
            "fig-tax": {"text": "Fig. 1.3", "page": "chapters/01-what-is-kl"},
            "ch-elbo": {"text": "Deriving the ELBO", "page": "chapters/03-elbo"},
            "claims": {"text": "Claims", "page": "chapters/claims"},
            "doc:chapters/03-elbo": {"text": "Deriving the ELBO", "page": "chapters/03-elbo"},
        },
        bibliography={
            "one": citations.Entry(("Amari",), "1985"),
            "two": citations.Entry(("Kullback", "Leibler"), "1951", "https://doi.org/10.1/x"),
            "many": citations.Entry(("Gelman", "Carlin", "Stern"), "2013"),
        },
        macros=TABLE,
    )


@pytest.mark.parametrize(
    ("source", "expanded"),
    [
        (r"\KL{q}{p}", r"\operatorname{KL}(q \parallel p)"),
        (r"\KL{q_{\lambda}}{p(z \given x)}", r"\operatorname{KL}(q_{\lambda} \parallel p(z \mid x))"),
        (r"\KL qp", r"\operatorname{KL}(q \parallel p)"),
        (r"\KL{\KL{a}{b}}{\E}", r"\operatorname{KL}(\operatorname{KL}(a \parallel b) \parallel \mathbb{E})"),
        (r"\E_q[x] \dd x", r"\mathbb{E}_q[x] \mathrm{d} x"),
        (r"a\given b", r"a\mid b"),
        (r"\Exp \KLx", r"\Exp \KLx"),
        (r"\KL{\{a\}}{b}", r"\operatorname{KL}(\{a\} \parallel b)"),
    ],
)
def test_macros_are_expanded(source, expanded):
    assert macros.expand(source, TABLE) == expanded


@pytest.mark.parametrize("source", [r"\KL{q}", r"\KL{q}{p"])
def test_a_macro_without_its_arguments_is_an_error(source):
    with pytest.raises(ValueError, match="KL"):
        macros.expand(source, TABLE)


def test_the_books_macros_are_the_ones_expanded():
    table = macros.load(ROOT / "_config.yml")
    assert table["KL"][1] == 2
    for body, count in table.values():
        assert f"#{count + 1}" not in body
        assert not re.search(rf"\\({'|'.join(table)})(?![A-Za-z])", macros.expand(body, table))


@pytest.mark.parametrize(
    ("source", "markdown"),
    [
        ("{glue:text}`ch1-tax:.2f` nats", "0.35 nats"),
        ("in {glue:text}`ch1-name`", "in French"),
        ("{eq}`eq-kl` and {numref}`fig-tax`", "(1.2) and Fig. 1.3"),
        ("{ref}`ch-elbo`", "[Deriving the ELBO](03-elbo.ipynb)"),
        ("{ref}`there <ch-elbo>`", "[there](03-elbo.ipynb)"),
        ("{ref}`claims`", "Claims"),
        ("{doc}`03-elbo`", "[Deriving the ELBO](03-elbo.ipynb)"),
        ("[next](03-elbo.md)", "[next](03-elbo.ipynb)"),
        ("{download}`the set <../exercises/a.ipynb>`", "[the set](../exercises/a.ipynb)"),
        ("by {cite:t}`two`", "by [Kullback and Leibler (1951)](https://doi.org/10.1/x)"),
        ("so {cite:p}`one,many`", "so (Amari, 1985; Gelman et al., 2013)"),
        ("A sentence.{claim}`a-claim`", "A sentence."),
        ("A claim {claim}`a-claim`, and more.", "A claim, and more."),
        (r"`\KL{q}{p}` stays, $\KL{q}{p}$ goes", r"`\KL{q}{p}` stays, $\operatorname{KL}(q \parallel p)$ goes"),
    ],
)
def test_inline_pieces(chapter, source, markdown):
    assert myst.inline(source, chapter) == markdown


@pytest.mark.parametrize(
    ("source", "markdown"),
    [
        ("(a-label)=\n# Title", "# Title"),
        ("% a remark\ntext", "text"),
        ("```{math}\n:label: eq-kl\n\\E_q[x]\n```", "$$\n\\mathbb{E}_q[x] \\tag{1.2}\n$$"),
        ("```{math}\na &= b \\\\\n&= c\n```", "$$\n\\begin{aligned}\na &= b \\\\\n&= c\n\\end{aligned}\n$$"),
        ("```python\nx = '{eq}'\n```", "```python\nx = '{eq}'\n```"),
        (":::{note}\nMind $\\E$.\n:::", "> **Note**\n>\n> Mind $\\mathbb{E}$."),
        (
            "```{admonition} More\n:class: dropdown\nInside {eq}`eq-kl`.\n```",
            "<details>\n<summary>More</summary>\n\nInside (1.2).\n\n</details>",
        ),
        (
            "````{note}\n```{math}\nx\n```\n````",
            "> **Note**\n>\n> $$\n> x\n> $$",
        ),
        (
            "Before.\n`````{tab-set}\n````{tab-item} One, $\\E$\n:selected:\n```python\nx = 1\n```\n````\n"
            "````{tab-item} Two\nBy {eq}`eq-kl`.\n````\n`````\nAfter.",
            "Before.\n\n**One, $\\mathbb{E}$**\n\n```python\nx = 1\n```\n\n**Two**\n\nBy (1.2).\n\nAfter.",
        ),
    ],
)
def test_blocks(chapter, source, markdown):
    assert myst.to_markdown(source, chapter) == markdown


def test_a_prediction_reads_as_question_and_folded_answers(chapter):
    source = (
        "```{prediction} Is $a < b$?\n:name: p\n- [ ] *Yes*, `a`.\n  It {eq}`eq-kl`.\n- [x] No.\n  Two\n  lines.\n```"
    )
    assert myst.to_markdown(source, chapter) == (
        "**Predict.** Is $a < b$?\n\n"
        "<details>\n<summary><i>Yes</i>, <code>a</code>.</summary>\n\n**Not quite.** It (1.2).\n\n</details>\n\n"
        "<details>\n<summary>No.</summary>\n\n**Yes.** Two\nlines.\n\n</details>"
    )


@pytest.mark.parametrize(
    "source",
    [
        "{unknown}`x`",
        "```{unknown}\nx\n```",
        "```{math}\nnever closed",
        "```{note} a `title`\nx\n```",
        "{eq}`eq-none`",
        "{glue:text}`ch1-none`",
        "{cite:t}`none`",
        "```{literalinclude} ../vi_lab/bounds.py\n:lines: 1-3\n```",
    ],
)
def test_what_a_notebook_cannot_show_is_an_error(chapter, source):
    with pytest.raises(ValueError, match=r"\w"):
        myst.to_markdown(source, chapter)


def test_a_tab_shows_the_file_that_it_includes(chapter):
    source = "`````{tab-set}\n````{tab-item} PyTorch\n```{literalinclude} frameworks/wells_torch.py\n```\n````\n`````"
    title, name, code = myst.to_markdown(source, chapter).split("\n\n", maxsplit=2)
    assert (title, name) == ("**PyTorch**", "`chapters/frameworks/wells_torch.py`:")
    assert code == f"```python\n{(ROOT / 'chapters/frameworks/wells_torch.py').read_text().rstrip()}\n```"


def test_included_code_is_the_source():
    source = "import x\n\n\n@mark\ndef f():\n    return 1\n\n\nclass C:\n    def g(self):\n        return 2\n"
    assert include.pyobject(source, "f") == "@mark\ndef f():\n    return 1"
    assert include.pyobject(source, "C.g") == "    def g(self):\n        return 2"
    with pytest.raises(ValueError, match="'h'"):
        include.pyobject(source, "h")
