"""Chapter 4, where expectation propagation oscillates, misses, or finds no cavity."""

import numpy as np
import pytest
from clutter_oracles import FOUR, PRIOR, by_grid, forward_kl, rivals, truth
from ep_oracles import TWENTY, clutter_factors, run
from scipy import stats

import vi_lab as vi
from claims import proves


@proves(
    "ep-damping-cures-oscillation",
    oracle="EP on a grid: 120 undamped sweeps, 130 damped ones",
    tolerance="undamped means of the last 30 sweeps differ by 0.3; damped state settled to 1e-6",
)
def test_damping_cures_the_oscillation(page):
    means = [by_grid(FOUR, sweeps=sweeps)[0] for sweeps in (40, 41, 42, 43, 120)]
    assert np.ptp(means) > 0.3 and page["ch4ep-four-undamped"] > 0.3
    settled, again = (by_grid(FOUR, sweeps=sweeps, damping=0.5)[:3] for sweeps in (125, 130))
    assert settled == pytest.approx(again, abs=1e-6)
    assert page["ch4ep-four-EP-mean"] == pytest.approx(again[0], abs=1e-5)
    assert page["ch4ep-four-EP-var"] == pytest.approx(again[1], abs=1e-5)


@proves(
    "ep-is-not-the-global-forward-kl",
    oracle="entropy on a grid and Gaussian cross-entropies; the weight of the component without a signal",
    tolerance="1e-3; order strict",
)
@proves("ep-evidence-is-no-bound", oracle="evidence by quadrature; EP on a grid", tolerance="1e-4; signs")
def test_the_fixed_point_is_not_the_minimum(page):
    mean, var, log_evidence = truth(FOUR)
    found = rivals(FOUR, 3.4) | {"EP": by_grid(FOUR, sweeps=130, damping=0.5)[:3], "moments": (mean, var, log_evidence)}
    kl = {name: forward_kl(FOUR, m, v) for name, (m, v, _) in found.items()}
    for name, value in kl.items():
        assert page[f"ch4ep-four-{name}-kl"] == pytest.approx(value, abs=5e-3)
        assert page[f"ch4ep-four-{name}-evidence"] == pytest.approx(found[name][2] - log_evidence, abs=1e-3)
    assert kl["moments"] < kl["EP"] - 0.3 and kl["EP"] < kl["VI"] - 1 < kl["Laplace"] - 2
    assert page["ch4ep-four-EP-evidence"] > 0.1 > -0.1 > page["ch4ep-four-VI-evidence"]
    assert -page["ch4ep-four-VI-evidence"] < page["ch4ep-four-EP-evidence"]
    background = np.exp(4 * np.log(0.5) + stats.norm.logpdf(FOUR, 0, 10**0.5).sum() - log_evidence)
    assert page["ch4ep-four-background"] == pytest.approx(100 * background, abs=1e-3)
    assert page["ch4ep-four-share"] == pytest.approx(100 * background * (100 + mean**2) / var, abs=0.01)


@proves(
    "ep-damping-does-not-always-help",
    oracle="EP on a grid with three dampings, until a cavity has no positive variance",
    tolerance="no run survives 200 sweeps",
)
def test_damping_does_not_always_help(page):
    assert page["ch4ep-ten-converged"] == 0 and page["ch4ep-ten-skipped"] == 3
    for damping in (1.0, 0.5, 0.1):
        with pytest.raises((np.linalg.LinAlgError, AssertionError)):
            run(PRIOR, clutter_factors(TWENTY[:10]), sweeps=200, num_points=601, damping=damping)
    assert not vi.ep.expectation_propagation(vi.models.clutter(TWENTY[:10]), damping=0.03).converged
