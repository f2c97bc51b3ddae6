"""The report of `diagnose`: what it says of broken input, and how it looks."""

import re
from html.parser import HTMLParser

import jax
import jax.numpy as jnp
import pytest

from vi_lab import MeanField, models, museum
from vi_lab.diagnostics import FAULTS, Finding, Report, diagnose
from vi_lab.divergences import Estimate

SEED = jax.random.key(3)
TILTED = models.gaussian([1.0, -1.0], [[1.0, 0.8], [0.8, 1.0]])


# What could not be computed.


def faults_and_verdicts(report: Report) -> tuple[tuple[str, ...], list[bool | None]]:
    return report.faults, [finding.alarm for finding in report.findings]


def test_a_bare_log_joint_has_no_prior_to_ask_about():
    report = diagnose(TILTED.posterior, SEED, lambda z: TILTED.log_joint(z))
    assert faults_and_verdicts(report) == ((), [False, False, False, False, None])
    assert "1 of 5 questions could not be answered" in report.headline


def test_without_trying_the_report_says_what_it_did_not_try():
    report = diagnose(MeanField.standard(2), SEED, TILTED, try_more=False)
    assert faults_and_verdicts(report) == ((), [False, None, None, None, None])
    assert "nothing was tried" in report.findings[1].evidence and "k̂ of q is" in report.findings[2].evidence


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (lambda z: jnp.where(z[0] > 0, -jnp.sum(z**2), -jnp.inf), "-inf at"),
        (lambda z: jnp.where(z[0] > 3, jnp.nan, -jnp.sum(z**2)), "NaN at"),
        (lambda z: jnp.where(z[0] > 0, jnp.inf, 0.0), "+inf at"),
        (lambda z: -jnp.inf * jnp.sum(z**2), "-inf at 4000 of 4000"),
        (lambda z: jnp.nan * z[0], "NaN at 4000 of 4000"),
    ],
    ids=["support", "rare-nan", "infinite", "no-mass", "nan"],
)
def test_a_broken_log_joint_is_told_and_nothing_is_nan_in_silence(bad, told):
    report = diagnose(MeanField.standard(2), SEED, bad)
    assert faults_and_verdicts(report) == (("broken",), [True, None, None, None, None])
    assert told in report.findings[0].evidence and all(told in f.evidence for f in report.findings[1:4])


def test_discrete_latents_are_asked_what_can_be_asked():
    good = museum.exhibit("columns")
    report = diagnose(good.q, SEED, good.model)
    assert [finding.alarm for finding in report.findings] == [False, None, False, False, False]


@pytest.mark.parametrize(
    ("q", "model", "message"),
    [
        ("q", TILTED, "q: got a str, needs a distribution"),
        (MeanField.standard(3), TILTED, "model: got dim 2, needs dim 3"),
        (MeanField.standard(2), lambda z: z, r"log_joint: got a result of shape \(2,\)"),
        (MeanField.standard(2), None, "log_joint: got a NoneType"),
    ],
)
def test_bad_input_is_named(q, model, message):
    with pytest.raises(ValueError, match=message):
        diagnose(q, SEED, model)


# What it looks like.

FINDING = Finding("Is 1 < 2?", True, "rigid", "a <b>bold</b> & " + "long " * 40, "0.1", "A & B", "go on", "x: +1 nats")
SICK = Report("MeanField, dim 2: ELBO -1.", Estimate(-1.0, 0.1), (FINDING,), "the <rest>")
WELL = Report("MeanField.", Estimate(-1.0, 0.1), (Finding("Is it?", False, None, "no", "1", "us", ""),), "the rest")


@pytest.mark.parametrize("report", [SICK, WELL], ids=["sick", "well"])
def test_the_printed_report_fits_on_the_page(report):
    text = str(report)
    assert max(map(len, text.splitlines())) <= 90
    for finding in report.findings:
        assert f"[{finding.verdict}] {finding.question}" in text and f"({finding.source})" in text
    assert text.count("cannot see") == 1
    assert ("tried: x: +1 nats" in text) is report.alarm and ("next: go on" in text) is report.alarm


def test_faults_are_those_of_the_findings_with_an_alarm():
    assert SICK.alarm and SICK.faults == ("rigid",) and FAULTS["rigid"] in SICK.headline
    assert not WELL.alarm and WELL.faults == () and WELL.headline.startswith("It looks fine")
    unknown = Finding("?", None, None, "why", "1", "us", "do")
    assert unknown.verdict == "cannot tell" and Report("q.", Estimate(0, 0), (unknown,), "").faults == ()


class Table(HTMLParser):
    """Tags in order, and the text between them."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_the_html_is_an_escaped_table_with_headers_and_no_colors_of_its_own():
    html = SICK._repr_html_()
    table = Table(html)
    names = [tag for tag, _ in table.tags]
    assert set(names) <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "strong", "br", "p"}
    assert [attrs["scope"] for tag, attrs in table.tags if tag == "th"] == ["col"] * 4 + ["row"]
    for text in ("Is 1 < 2?", "a <b>bold</b> & long", "the <rest>", "yes: rigid", "x: +1 nats", "A & B", "go on"):
        assert text in table.text, text
    assert not re.search("style=|color|bgcolor", html)
