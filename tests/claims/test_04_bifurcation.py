"""Proofs of chapter 4 on the bifurcation: where reverse-KL fits are born, win, and vanish."""

import geometry_oracles as oracle
import numpy as np
import pytest
from scipy.optimize import approx_fprime

from claims import proves

SEPARATIONS = np.linspace(2.0, 9.0, 71)


def ends(separation):
    """The means at which BFGS comes to rest, from 21 starts."""
    starts = [(m, s) for m in np.linspace(-separation / 2, separation / 2, 7) for s in (-0.3, 0.2, 0.9)]
    return np.array([oracle.best(oracle.reverse_kl, start, separation)[0] for start in starts])


@proves(
    "geometry-fixed-width-pitchfork",
    oracle="SciPy's brentq on the curvature, a trapezoid sum of sech^2 in NumPy",
    tolerance="1e-6; by a NumPy descent the mean is 0 before it; beyond it, mean^2 / excess is constant to 3 percent",
)
def test_pitchfork(page):
    fork = oracle.pitchfork()
    assert page["ch4-fork"] == pytest.approx(fork, abs=1e-6)

    def rest(d):
        m = 0.3
        for _ in range(4000):
            m -= 0.3 * oracle.slope(np.array([m, 0.0]), d)[0]
        return m

    assert abs(rest(fork - 0.1)) < 1e-3
    near, far = rest(fork + 0.01) ** 2 / 0.01, rest(fork + 0.03) ** 2 / 0.03
    assert near == pytest.approx(far, rel=0.03) and near > 1


@proves(
    "geometry-fold",
    oracle="SciPy's fsolve on slopes and Hessian written by hand; BFGS from 21 starts on either side",
    tolerance="1e-6; one end point at 2, 3, 4 and 0.05 below the fold, three 0.05 above it",
)
def test_fold(page):
    exact = oracle.fold()
    np.testing.assert_allclose(page["ch4-fold"], exact, atol=1e-6)
    assert page["ch4-fold-at"] == page["ch4-fold"][2]
    for d in (2.0, 3.0, 4.0, exact[2] - 0.05):
        assert np.abs(ends(d)).max() < 1e-2, f"separation {d}"
    above = ends(exact[2] + 0.05)
    assert above.min() < -2 and above.max() > 2 and np.abs(above).min() < 1e-2


@proves(
    "geometry-tie",
    oracle="SciPy's brentq on the difference of two BFGS minima of a trapezoid sum",
    tolerance="1e-5 in the separation, 1e-6 nats; the order of the two reverses there",
)
def test_tie(page):
    separation, cost = oracle.tie()
    assert page["ch4-tie-at"] == pytest.approx(separation, abs=1e-5)
    assert page["ch4-tie-kl"] == pytest.approx(cost, abs=1e-6)
    for shift, middle_wins in ((-0.1, True), (0.1, False)):
        d = separation + shift
        middle = oracle.best(oracle.reverse_kl, (0.0, 1.0), d)[2]
        assert (middle < oracle.best(oracle.reverse_kl, (d / 2, 0.0), d)[2]) == middle_wins


@proves(
    "geometry-middle-never-gives-way",
    oracle="the curvature by differences of a slope written by hand, at BFGS minima of a trapezoid sum",
    tolerance="1 / s^2 to 1e-5, at separations up to 9 on the page and to 20 by SciPy (a minimum: both curvatures)",
)
def test_middle_stays(page):
    for d, mean, log_std, curvature in page["ch4-middle-curvature"]:
        assert abs(mean) < 1e-9
        assert curvature == pytest.approx(np.exp(-2 * log_std), abs=1e-6)
        differences = approx_fprime([0.0, log_std], lambda u, d=d: oracle.slope(u, d)[0], 1e-6)
        assert curvature == pytest.approx(differences[0], abs=1e-5)
    assert page["ch4-middle-curvature"][-1][0] > 7
    for d in (12.0, 16.0, 20.0):
        _, std, _ = oracle.best(oracle.reverse_kl, (0.0, np.log(d / 2.5)), d)
        bends = np.linalg.eigvalsh(oracle.hessian(np.array([0.0, np.log(std)]), d))
        assert bends.min() > 0.9 / std**2, f"separation {d}"


@proves(
    "geometry-unequal-weights-jump",
    oracle="the covering fit followed by SciPy's BFGS on a trapezoid sum",
    tolerance="means to 1e-3 away from the jump; its place to 0.1, its size to 0.05",
)
def test_jump(page):
    for row, weight in zip(page["ch4-paths"], (0.5, 0.6), strict=False):
        path = oracle.sweep(weight, SEPARATIONS)
        np.testing.assert_allclose(row, path[::10], atol=1e-3)
    path = oracle.sweep(0.7, SEPARATIONS)
    np.testing.assert_allclose(page["ch4-paths"][2], path[::10], atol=1e-3)
    steps = np.abs(np.diff(path))
    assert page["ch4-jump-at"] == pytest.approx(SEPARATIONS[1 + steps.argmax()], abs=0.101)
    assert page["ch4-jump-size"] == pytest.approx(steps.max(), abs=0.05)
    assert page["ch4-jump-size"] > 1


@proves(
    "geometry-small-imbalance-postpones",
    oracle="the covering fit of weight 0.6 followed by SciPy's BFGS on a trapezoid sum",
    tolerance="above -1.2 at separation 9, below -5 at 11, a step above 1 between",
)
def test_postponed():
    separations = np.linspace(2.0, 11.0, 91)
    path = oracle.sweep(0.6, separations)
    assert path[70] > -1.2 and path[-1] < -5 and np.abs(np.diff(path)).max() > 1


@proves(
    "geometry-heavy-mode-glides",
    oracle="the covering fit followed by SciPy's BFGS on a trapezoid sum",
    tolerance="means to 1e-3; no step above 0.1, while the mean reaches the mode to 0.01",
)
def test_glide(page):
    path = oracle.sweep(0.9, SEPARATIONS)
    np.testing.assert_allclose(page["ch4-paths"][3], path[::10], atol=1e-3)
    assert page["ch4-glide-size"] == pytest.approx(np.abs(np.diff(path)).max(), abs=1e-3)
    assert page["ch4-glide-size"] < 0.1 and abs(path[-1] + 4.5) < 0.01
