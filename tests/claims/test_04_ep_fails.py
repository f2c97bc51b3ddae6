"""Chapter 4, where expectation propagation oscillates, misses, or finds no cavity."""

import numpy as np
import pytest
from clutter_oracles import FOUR, by_formula, by_grid, forward_kl, reverse_kl, rivals, truth
from ep_oracles import TWENTY, clutter_factors
from scipy import stats

from claims import proves


@proves(
    "ep-damping-cures-oscillation",
    oracle="EP on a grid and in closed form: 120 and 200 undamped sweeps, 130 damped ones",
    tolerance="undamped never below 0.3 in 200 sweeps, page to 1e-6; damped state settled to 1e-6, sweeps equal",
)
def test_damping_cures_the_oscillation(page):
    means = [by_grid(FOUR, sweeps=sweeps)[0] for sweeps in (40, 41, 42, 43, 120)]
    assert np.ptp(means) > 0.3
    disagreements, _ = by_formula(FOUR, 200)
    assert page["ch4ep-four-undamped"] == pytest.approx(disagreements[30:60].min(), abs=1e-6)
    assert disagreements.min() > 0.3 and np.sum(np.diff(disagreements[30:60]) > 0) > 5
    damped, _ = by_formula(FOUR, 200, damping=0.5)
    assert page["ch4ep-four-sweeps"] == np.argmax(damped <= np.finfo(float).eps ** 0.5) + 1
    settled, again = (by_grid(FOUR, sweeps=sweeps, damping=0.5)[:3] for sweeps in (125, 130))
    assert settled == pytest.approx(again, abs=1e-6)
    assert page["ch4ep-four-EP-mean"] == pytest.approx(again[0], abs=1e-5)
    assert page["ch4ep-four-EP-var"] == pytest.approx(again[1], abs=1e-5)


@proves(
    "ep-is-not-the-global-forward-kl",
    oracle="entropy on a grid and Gaussian cross-entropies; the weight of the component without a signal",
    tolerance="1e-4; order strict",
)
@proves("ep-order-turns-round", oracle="reverse KL on a grid of 20,001 points", tolerance="1e-4; order strict")
@proves("ep-evidence-is-no-bound", oracle="evidence by quadrature; EP on a grid", tolerance="1e-4; signs")
def test_the_fixed_point_is_not_the_minimum(page):
    mean, var, log_evidence = truth(FOUR)
    found = rivals(FOUR, 3.4) | {"EP": by_grid(FOUR, sweeps=130, damping=0.5)[:3], "moments": (mean, var, log_evidence)}
    kl = {name: forward_kl(FOUR, m, v) for name, (m, v, _) in found.items()}
    for name, value in kl.items():
        assert page[f"ch4ep-four-{name}-kl"] == pytest.approx(value, abs=1e-4)
        assert page[f"ch4ep-four-{name}-evidence"] == pytest.approx(found[name][2] - log_evidence, abs=1e-4)
    reverse = {name: reverse_kl(FOUR, m, v) for name, (m, v, _) in found.items()}
    assert reverse == pytest.approx({name: page[f"ch4ep-four-{name}-reverse"] for name in reverse}, abs=1e-4)
    assert reverse["VI"] < reverse["Laplace"] - 0.05 and reverse["Laplace"] < reverse["EP"] - 0.05
    assert found["VI"][1] < found["EP"][1] < var
    assert kl["moments"] < kl["EP"] - 0.3 and kl["EP"] < kl["VI"] - 1 < kl["Laplace"] - 2
    assert page["ch4ep-four-EP-evidence"] > 0.1 > -0.1 > page["ch4ep-four-VI-evidence"]
    assert -page["ch4ep-four-VI-evidence"] < page["ch4ep-four-EP-evidence"]
    background = np.exp(4 * np.log(0.5) + stats.norm.logpdf(FOUR, 0, 10**0.5).sum() - log_evidence)
    assert page["ch4ep-four-background"] == pytest.approx(100 * background, abs=1e-3)
    assert page["ch4ep-four-share"] == pytest.approx(100 * background * (100 + mean**2) / var, abs=0.01)


@proves(
    "ep-damping-does-not-always-help",
    oracle="EP in closed form, without a cavity no update: 4,000 sweeps with each of three dampings; modes on a grid",
    tolerance="disagreement above 0.01 after each of the last 2,000 sweeps; one mode",
)
def test_damping_does_not_always_help(page):
    assert page["ch4ep-ten-converged"] == 0 and page["ch4ep-ten-skipped"] == 3
    for damping in (1.0, 0.5, 0.1):
        disagreements, skipped = by_formula(TWENTY[:10], 4000, damping)
        assert disagreements[2000:].min() > 0.01 and skipped > 0
    z = np.linspace(-70, 70, 20_001)
    for x in (FOUR, TWENTY[:10]):
        rises = np.diff(stats.norm.logpdf(z, 0, 10) + sum(f(z[:, None]) for f in clutter_factors(x))) > 0
        assert np.sum(rises[:-1] & ~rises[1:]) == 1
