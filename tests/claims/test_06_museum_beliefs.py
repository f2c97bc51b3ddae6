"""Proofs of the museum's broken beliefs and of its table: SciPy, sums over a grid, and the record read as JSON."""

import json

import numpy as np
import pytest
from minibook import ROOT
from museum_oracles import data_of, linear_evidence, on_grid
from scipy import stats
from scipy.special import expit

from claims import proves
from vi_lab import museum

RECORD = json.loads((ROOT / "vi_lab/museum/frozen.json").read_text(encoding="utf8"))
SICK = {name: RECORD[name] for name in museum.EXHIBITS}
INSIDE = "verdict", "k-hat", "log joint, tails?", "other modes?", "family?", "noise, climb?", "prior?"


@proves(
    "museum-wrong-sign",
    oracle="the logistic posterior by a sum over a grid in SciPy; a probability is at most 1",
    tolerance="0.01 in the slope",
)
def test_wrong_sign(page):
    x, y = (np.asarray(part) for part in museum.exhibit("wrong-sign").model.log_likelihood.args[:2])

    def log_joint(a, b):
        p = expit(a[..., None] + b[..., None] * x[:, 1])
        return np.log(np.where(y == 1, p, 1 - p)).sum(-1) + stats.norm.logpdf(a, 0, 0.5) + stats.norm.logpdf(b, 0, 0.5)

    evidence, mean, _ = on_grid(log_joint, np.linspace(-7, 7, 201), np.linspace(-7, 7, 201))
    assert page["ch6museum-wrong-sign-true"] == pytest.approx(mean[1], abs=0.01) and mean[1] > 0
    assert evidence < 0 < page["ch6museum-wrong-sign-elbo"] and page["ch6museum-wrong-sign-slope"] < -1
    top = np.sort(x[:, 1])[-4:]
    assert y.sum() == 5 and y[np.isin(x[:, 1], top)].all()
    assert min(page["ch6museum-wrong-sign-std"]) > 0.52 and page["ch6museum-wrong-sign-each"] < 0.2
    assert page["ch6museum-wrong-sign-k"] > 0.7


@proves("museum-bounded", oracle="SciPy's normal distribution function", tolerance="1e-6 percent")
def test_bounded(page):
    mean, std = page["ch6museum-bounded-mean"][0], page["ch6museum-bounded-std"][0]
    assert page["ch6museum-bounded-outside"] == pytest.approx(100 * stats.norm.cdf(0, mean, std), abs=1e-6)
    assert page["ch6museum-bounded-outside"] > 1 and "ch6museum-bounded-elbo" not in page


@proves(
    "museum-faint",
    oracle="the evidence by a sum over a grid in SciPy; ten fair coins",
    tolerance="1e-3 nats; 0.02 in mean and width",
)
def test_faint(page):
    x, y = (np.asarray(part) for part in museum.exhibit("faint-data").model.log_likelihood.args[:2])

    def log_joint(a, b):
        t = np.multiply.outer(a, x[:, 0]) + np.multiply.outer(b, x[:, 1])
        return (y * t - np.logaddexp(0, t)).sum(-1) + stats.norm.logpdf(a) + stats.norm.logpdf(b)

    evidence, mean, std = on_grid(log_joint, np.linspace(-8, 8, 161), np.linspace(-8, 8, 161))
    assert page["ch6museum-faint-data-elbo"] == pytest.approx(evidence, abs=1e-3)
    assert page["ch6museum-faint-data-elbo"] == pytest.approx(-10 * np.log(2), abs=1e-3) and len(y) == 10
    np.testing.assert_allclose(
        [page["ch6museum-faint-data-mean"], page["ch6museum-faint-data-std"]], [mean, std], atol=0.02
    )


@proves("museum-no-data", oracle="an empty product is 1, its logarithm 0", tolerance="1e-12 nats; 1e-9 in q")
def test_no_data(page):
    assert page["ch6museum-no-data-elbo"] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(page["ch6museum-no-data-mean"], 0, atol=1e-9)
    np.testing.assert_allclose(page["ch6museum-no-data-std"], 1, atol=1e-9)


def scale_joint(y, jacobian):
    """Unknown mean N(0, 1) and log-normal sigma, 1/2: log joint at (mean, log sigma), in SciPy."""

    def log_joint(a, b):
        prior = stats.norm.logpdf(a) + stats.norm.logpdf(b, 0, 0.5) - (0 if jacobian else b)
        return prior + sum(stats.norm.logpdf(value, a, np.exp(b)) for value in y)

    return log_joint


@proves(
    "museum-jacobian",
    oracle="both posteriors by sums over a grid in SciPy",
    tolerance="0.5 percent of the width; 0.01 nats in the gap",
)
def test_jacobian(page):
    y = np.asarray(museum.exhibit("forgotten-jacobian").model.log_likelihood.args[0])
    axes = np.linspace(-9, 9, 721), np.linspace(-4, 5, 601)
    _, mean, std = on_grid(scale_joint(y, True), *axes)
    evidence, wrong, short = on_grid(scale_joint(y, False), *axes)
    assert page["ch6museum-jacobian-width"] == pytest.approx(100 * short[0] / std[0], abs=0.3)
    z = np.stack(np.meshgrid(*axes, indexing="ij"))
    for name, jacobian in (("right", True), ("wrong", False)):
        p = np.exp(scale_joint(y, jacobian)(*z))
        assert page[f"ch6museum-sigma-{name}"] == pytest.approx((p * np.exp(z[1])).sum() / p.sum(), abs=0.005)
        centered = [side - (p * side).sum() / p.sum() for side in z]
        assert abs((p * centered[0] * centered[1]).sum() / p.sum()) < 0.1 * std[0] * std[1]
    found = np.array(page["ch6museum-jacobian-nowhere-std"])
    assert page["ch6museum-jacobian-nowhere-narrow"] == pytest.approx(100 * np.min(found / std), rel=0.005)
    assert np.argmin(found / std) == 0 and wrong[1] < mean[1]
    assert page["ch6museum-jacobian-nowhere-mean"][1] < mean[1] - 0.05
    assert page["ch6museum-jacobian-gap"] == pytest.approx(evidence - page["ch6museum-jacobian-nowhere-elbo"], abs=0.01)
    assert page["ch6museum-jacobian-gap"] < 0.2


@proves(
    "museum-calibration",
    oracle="the share of the exact (wrong or right) posterior below the true log sigma, on a grid in NumPy",
    tolerance="6 points: four standard errors, and what a Gaussian q differs from the posterior",
)
def test_calibration(page):
    rng = np.random.default_rng(0)
    a, b = np.meshgrid(np.linspace(-8, 8, 161), np.linspace(-5, 5, 101), indexing="ij")
    shares = {True: [], False: []}
    for _ in range(400):
        mean, log_sigma = 2 * rng.standard_normal(), rng.standard_normal()
        y = mean + np.exp(log_sigma) * rng.standard_normal(6)
        squares = ((y - y.mean()) ** 2).sum() + 6 * (a - y.mean()) ** 2
        right = -(a**2) / 8 - b**2 / 2 - 6 * b - squares * np.exp(-2 * b) / 2
        for jacobian, log_p in ((True, right), (False, right - b)):
            p = np.exp(log_p - log_p.max()).sum(axis=0)
            shares[jacobian].append(p[b[0] < log_sigma].sum() / p.sum())
    assert page["ch6museum-rank-with"] == pytest.approx(100 * np.mean(shares[True]), abs=6)
    assert page["ch6museum-rank-without"] == pytest.approx(100 * np.mean(shares[False]), abs=6)
    assert page["ch6museum-rank-without"] > 56 and abs(page["ch6museum-rank-with"] - 50) < 6


@proves(
    "museum-bent",
    oracle="the evidence as a density of SciPy's multivariate normal; the curvature by least squares",
    tolerance="1e-6 nats",
)
@proves(
    "museum-predictive",
    oracle="the curvature's predictive law, N(0, noise^2 / |bend|^2); equal rows have probability zero",
    tolerance="five standard deviations, at most 1 in 1,000 replications beyond four",
)
def test_predictive_checks(page):
    x, y, noise = data_of(museum.exhibit("missing-term"))
    assert page["ch6museum-missing-term-elbo"] == pytest.approx(linear_evidence(x, y, noise, 5.0), abs=1e-6)
    assert page["ch6museum-bent-point"] == pytest.approx(stats.norm(0, noise).entropy(), abs=1e-9)
    assert 3.5 < -page["ch6museum-missing-term-elbo"] / len(y) < 4.5
    bend = x[:, 1] ** 2 - np.mean(x[:, 1] ** 2)
    assert page["ch6museum-curved"] == pytest.approx(abs(np.polyfit(x[:, 1], y, 2)[0]), abs=1e-6)
    spread = noise / np.linalg.norm(bend)
    assert 2 * spread < page["ch6museum-curved-most"] < 5 * spread
    assert page["ch6museum-curved"] > 8 * spread
    _, twice, _ = data_of(museum.exhibit("data-twice"))
    assert page["ch6museum-repeats"] == [len(np.unique(twice)), 0] and len(twice) == 2 * len(np.unique(twice))


@proves(
    "museum-no-instrument",
    oracle="the frozen record read as JSON, with the moments of 4,000 draws in place of those of q",
    tolerance="counts, exactly",
)
def test_no_instrument_fires_on_all(page):
    fires = page["ch6museum-fires"]
    settled = sum(record["converged"] for record in SICK.values())
    assert fires["verdict"] == len(SICK) - settled and page["ch6museum-settled"] == settled
    assert fires["k-hat"] == sum(float(record["pareto_k"]) > 0.7 for record in SICK.values())
    assert page["ch6museum-khat-silent"] == len(SICK) - fires["k-hat"]
    off = 0
    for record in SICK.values():
        (mean, std), (true, width) = ([np.array(r[k]) for k in ("mean", "std")] for r in (record, record["reference"]))
        ratio = std / width
        off += bool(np.abs((mean - true) / width).max() > 0.3 or ratio.min() < 0.8 or ratio.max() > 1.25)
    assert fires["reference"] == off and page["ch6museum-reference-silent"] == len(SICK) - off
    assert max(fires.values()) < len(SICK) == page["ch6museum-all"] >= 20
    spotless = [r for r in SICK.values() if r["converged"] and float(r["elbo"][1]) < 1e-6]
    assert page["ch6museum-spotless"] == len(spotless)


@proves(
    "museum-report",
    oracle="the faults in the frozen record beside those that each case was made with",
    tolerance="every one that can be seen from inside; no alarm on ten good fits",
)
def test_the_report_names_what_can_be_named(page):
    able = {name: case for name, case in museum.CASES.items() if case.diagnosable}
    assert all(case.fault in RECORD[name]["faults"] for name, case in able.items())
    assert page["ch6museum-named"] == page["ch6museum-able"] == len(able)
    assert page["ch6museum-good"] == len(museum.GOOD) == 10
    assert page["ch6museum-good-alarms"] == sum(bool(RECORD[name]["faults"]) for name in museum.GOOD) == 0
    assert page["ch6museum-good-khat"] == sum(float(RECORD[name]["pareto_k"]) > 0.7 for name in museum.GOOD)
    blind = [n for n, r in SICK.items() if r["converged"] and not r["faults"] and not float(r["pareto_k"]) > 0.7]
    assert page["ch6museum-unseen-names"] == ", ".join(sorted(blind)) and page["ch6museum-unseen"] == len(blind)
