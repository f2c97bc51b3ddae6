"""What `diagnose` hands over: findings, as text and as a table."""

from dataclasses import dataclass
from html import escape
from textwrap import fill

from vi_lab.divergences import Estimate

WIDTH = 88  # columns of the printed report
FAULTS = {
    "mode-seeking": "q holds one mode of several",
    "rigid": "the family cannot take the posterior's shape",
    "noisy": "q moves about the optimum, or fits its noise",
    "unfinished": "q is not at the top, though the way up is clear",
    "prior-dominated": "the data say next to nothing",
    "prior-conflict": "the data lie where the prior has no mass",
    "heavy-tails": "the posterior's tails are heavier than q's",
    "broken": "the log joint is not what it should be",
}


@dataclass(frozen=True)
class Finding:
    """The answer to one question (chapter 6).

    Attributes:
        question: what was asked.
        alarm: whether something is wrong; None where that could not be computed.
        fault: its name, one of `FAULTS`, where there is an alarm.
        evidence: what was measured, in nats where it has a unit, or why it could not be.
        threshold, source: from where on that is an alarm, and who says so.
        advice: what to do next.
        tried: what was tried, and what it gained, in nats with its standard error; None where nothing was.
    """

    question: str
    alarm: bool | None
    fault: str | None
    evidence: str
    threshold: str
    source: str
    advice: str
    tried: str | None = None

    @property
    def verdict(self) -> str:
        """ "yes: <fault>", "no", or "cannot tell"."""
        if self.alarm is None:
            return "cannot tell"
        return f"yes: {self.fault}" if self.alarm else "no"


@dataclass(frozen=True)
class Report:
    """What `diagnose` returns: `print` it, or leave it as the last line of a notebook's cell (chapter 6).

    Attributes:
        subject: what was looked at, in words. elbo: of q, by fresh draws, in nats.
        findings: one for each question.
        blind_spots: what this report cannot see, in words.
    """

    subject: str
    elbo: Estimate
    findings: tuple[Finding, ...]
    blind_spots: str

    @property
    def faults(self) -> tuple[str, ...]:
        """The names of the faults found, among `FAULTS`."""
        return tuple(finding.fault for finding in self.findings if finding.alarm)

    @property
    def alarm(self) -> bool:
        return bool(self.faults)

    @property
    def headline(self) -> str:
        """The whole report in a sentence."""
        unknown = sum(finding.alarm is None for finding in self.findings)
        rest = f" {unknown} of {len(self.findings)} questions could not be answered." if unknown else ""
        if self.alarm:
            return "Found: " + "; ".join(f"{fault} ({FAULTS[fault]})" for fault in self.faults) + f".{rest}"
        if unknown > 1:
            return (
                f"No alarm in the questions that were answered. What this report cannot see: {self.blind_spots}{rest}"
            )
        return f"It looks fine, and here is what this report cannot see: {self.blind_spots}{rest}"

    def __str__(self) -> str:
        blocks = [_wrap("", self.subject, ""), _wrap("", self.headline, "")]
        for finding in self.findings:
            lines = [f"[{finding.verdict}] {finding.question}"]
            lines += [_wrap(f"  {name}: ", text, " " * 4) for name, text in _details(finding)]
            blocks.append("\n".join(lines))
        if self.alarm:
            blocks.append(_wrap("", f"What this report cannot see: {self.blind_spots}", ""))
        return "\n\n".join(blocks)

    def _repr_html_(self) -> str:
        """A table with headers, in the page's own colors."""
        head = "".join(f'<th scope="col">{name}</th>' for name in ("Question", "Verdict", "Evidence", "Next"))
        rows = "".join(map(_row, self.findings))
        after = f"<p>What this report cannot see: {escape(self.blind_spots)}</p>" if self.alarm else ""
        caption = f"<caption>{escape(self.subject)} {escape(self.headline)}</caption>"
        return f'<table class="diagnosis">{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{after}'


def _details(finding: Finding) -> list[tuple[str, str]]:
    limit = f"{finding.threshold} ({finding.source})"
    named = [("evidence", finding.evidence), ("alarm at", limit), ("tried", finding.tried), ("next", finding.advice)]
    return [(name, text) for name, text in named if text]


def _wrap(first: str, text: str, rest: str) -> str:
    return fill(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def _row(finding: Finding) -> str:
    verdict = f"<strong>{escape(finding.verdict)}</strong>" if finding.alarm else escape(finding.verdict)
    evidence, *_ = seen = [f"{escape(text)}" for name, text in _details(finding) if name != "next"]
    cells = [verdict, "<br>".join([evidence, f"Alarm at: {seen[1]}", *seen[2:]]), escape(finding.advice)]
    return f'<tr><th scope="row">{escape(finding.question)}</th>' + "".join(f"<td>{c}</td>" for c in cells) + "</tr>"
