"""Chapter 4, expectation propagation on the clutter problem: the algorithm anew, tilted moments summed on a grid."""

import numpy as np
import pytest
from clutter_oracles import PRIOR, by_grid, rivals, truth
from ep_oracles import TWENTY, Gaussian, clutter_factors, from_moments, sum_of, tilted
from scipy import integrate, stats
from scipy.special import log_ndtr

from claims import proves


def one_pass(x, q=PRIOR):
    """Assumed-density filtering: each factor into q, without a cavity."""
    for log_factor in clutter_factors(x):
        _, q = tilted(q, log_factor, 601)
    return q


def probability_of_signal(x, m, v):
    signal = stats.norm.pdf(x, m, (1 + v) ** 0.5)
    return signal / (signal + stats.norm.pdf(x, 0, 10**0.5))


@proves(
    "ep-one-pass-has-an-order",
    oracle="the 200 passes again, tilted moments summed on a grid",
    tolerance="1e-4; middle nine tenths beyond two exact standard deviations; 1e-3 for the two probabilities of 6.12",
)
def test_one_pass_has_an_order(page):
    rng = np.random.default_rng(0)
    means = [one_pass(rng.permutation(TWENTY)).moments()[0][0] for _ in range(200)]
    on_page = [page[f"ch4ep-order-{name}"] for name in ("low", "5", "95", "high")]
    assert on_page == pytest.approx(list(np.quantile(means, [0, 0.05, 0.95, 1])), abs=1e-4)
    assert page["ch4ep-order-sds"] == pytest.approx((on_page[2] - on_page[1]) / truth(TWENTY)[1] ** 0.5, abs=1e-3)
    assert page["ch4ep-order-sds"] > 2
    (mean,), ((var,),) = one_pass(np.delete(TWENTY, 6)).moments()
    for name, m, v in (("first", 0, 100), ("last", mean, var)):
        assert page[f"ch4ep-612-{name}"] == pytest.approx(probability_of_signal(TWENTY[6], m, v), abs=1e-3)
    assert page["ch4ep-612-first"] > 0.5 and page["ch4ep-612-last"] < 0.1


@proves("ep-fixed-point-has-no-order", oracle="EP on a grid, in two other orders", tolerance="1e-6")
@proves("ep-clutter-moments", oracle="EP on a grid, the posterior by the trapezoidal rule", tolerance="1e-6; 1% and 5%")
@proves("ep-negative-sites", oracle="site precisions of EP on a grid", tolerance="count; below -1e-9")
def test_fixed_point_on_twenty(page):
    on_page = [page["ch4ep-mean"], page["ch4ep-var"]]
    for x in (TWENTY, TWENTY[::-1], np.sort(TWENTY)):
        mean, var, _, precision = by_grid(x)
        assert on_page == pytest.approx([mean, var], abs=1e-6)
        assert page["ch4ep-negative"] == (precision < -1e-9).sum()
    assert [page["ch4ep-exact-mean"], page["ch4ep-exact-var"]] == pytest.approx(truth(TWENTY)[:2], abs=1e-6)
    assert page["ch4ep-mean"] == pytest.approx(page["ch4ep-exact-mean"], rel=0.01)
    assert page["ch4ep-var"] == pytest.approx(page["ch4ep-exact-var"], rel=0.05)


@proves(
    "ep-doubtful-datum-widens",
    oracle="cavity and tilted variance of EP on a grid; sign of the change for 500 random cavities",
    tolerance="1e-6; no exception to the rule",
)
def test_a_doubtful_datum_widens(page):
    _, var, _, precision = by_grid(TWENTY)
    i = int(np.argmin(precision))
    assert page["ch4ep-doubtful"] == TWENTY[i]
    assert page["ch4ep-doubtful-cavity"] == pytest.approx(1 / (1 / var - precision[i]), abs=1e-6)
    assert page["ch4ep-doubtful-tilted"] == pytest.approx(var, abs=1e-6)
    rng, signs = np.random.default_rng(2), []
    for x, m, v in zip(rng.normal(0, 4, 500), rng.normal(0, 3, 500), rng.gamma(1, 2, 500) + 0.01, strict=True):
        cavity = from_moments(np.array([m]), np.array([[v]]))
        change = tilted(cavity, clutter_factors([x])[0], 2001)[1].moments()[1][0, 0] - v
        r = probability_of_signal(x, m, v)
        signs.append((change > 0) == ((1 - r) * (x - m) ** 2 > 1 + v) or abs(change) < 1e-9)
    assert all(signs)


@proves("ep-clipping-narrows", oracle="EP on a grid, precisions clipped at zero", tolerance="1e-6; ratio below 0.8")
def test_clipping_narrows(page):
    sites = [Gaussian(np.zeros((1, 1)), np.zeros(1)) for _ in TWENTY]
    for _ in range(50):
        for i, log_factor in enumerate(clutter_factors(TWENTY)):
            cavity = sum_of(PRIOR, *sites[:i], *sites[i + 1 :])
            _, q = tilted(cavity, log_factor, 601)
            sites[i] = Gaussian(np.maximum(q.precision - cavity.precision, 0), q.shift - cavity.shift)
    var = sum_of(PRIOR, *sites).moments()[1][0, 0]
    assert page["ch4ep-clip-var"] == pytest.approx(var, abs=1e-6)
    assert page["ch4ep-clip-ratio"] == pytest.approx(var / truth(TWENTY)[1], abs=1e-5) and var / truth(TWENTY)[1] < 0.8


@proves("ep-forgotten-cavity", oracle="30 passes on a grid", tolerance="1e-5; variance falls in every pass")
def test_without_a_cavity_the_data_count_again(page):
    q, variances = PRIOR, []
    for _ in range(30):
        q = one_pass(TWENTY, q)
        variances.append(q.moments()[1][0, 0])
    assert np.all(np.diff(variances) < 0)
    assert [page["ch4ep-again-1"], page["ch4ep-again-10"]] == pytest.approx([variances[0], variances[9]], abs=1e-5)


@proves(
    "ep-moments-are-derivatives",
    oracle="central differences of log Z and tilted moments, both by SciPy's quadrature, clutter and probit",
    tolerance="1e-5",
)
def test_moments_are_derivatives():
    for log_factor in (lambda u: clutter_factors([3.0])[0](np.array([[u]]))[0], lambda u: log_ndtr(-u)):

        def moment(m, v, power, log_factor=log_factor):
            def integrand(u):
                return u**power * np.exp(log_factor(u)) * stats.norm.pdf(u, m, v**0.5)

            return integrate.quad(integrand, m - 12 * v**0.5, m + 12 * v**0.5, epsabs=1e-13, limit=200)[0]

        for m, v in ((0.7, 1.5), (-1.0, 0.4)):
            low, mid, high = (np.log(moment(m + step, v, 0)) for step in (-1e-3, 0, 1e-3))
            mean, second = (moment(m, v, power) / moment(m, v, 0) for power in (1, 2))
            assert m + v * (high - low) / 2e-3 == pytest.approx(mean, abs=1e-5)
            assert v + v**2 * (high - 2 * mid + low) / 1e-6 == pytest.approx(second - mean**2, abs=1e-5)


@proves("ep-clutter-table", oracle="Laplace, reverse KL and EP on grids with SciPy", tolerance="1e-4, 5e-3 %; order")
def test_table_of_twenty(page):
    mean, var, log_evidence = truth(TWENTY)
    found = rivals(TWENTY, 1.8) | {"EP": by_grid(TWENTY)[:3]}
    errors = {n: ((m - mean) / var**0.5, 100 * (v / var - 1), e - log_evidence) for n, (m, v, e) in found.items()}
    for name, expected in errors.items():
        on_page = [page[f"ch4ep-n20-{name}-{what}"] for what in ("mean", "var", "evidence")]
        assert on_page[::2] == pytest.approx(expected[::2], abs=1e-4)
        assert on_page[1] == pytest.approx(expected[1], abs=5e-3)
    size = {name: np.abs(values) for name, values in errors.items()}
    assert np.all(size["Laplace"] > np.maximum(size["VI"], size["EP"]))
    assert [size["VI"][0] < size["EP"][0], size["EP"][1] < size["VI"][1], size["VI"][2] < size["EP"][2]] == [True] * 3
    assert errors["VI"][1] < 0 < errors["EP"][1] and errors["VI"][2] < 0 < errors["EP"][2]
