"""Chapter 3, the ELBO at work: a fit, the choice of a degree, coordinate ascent on the Normal-Gamma model."""

import numpy as np
import pytest
from elbo_oracles import (
    DISTANCE,
    X,
    bioassay_evidence,
    bioassay_log_joint,
    cars_evidence,
    cars_precision,
    mean_field_gap,
    orthogonal_precision,
    powers,
)
from scipy import integrate, optimize, stats
from scipy.special import roots_genlaguerre

from claims import proves


@proves(
    "elbo-last-sliver",
    oracle="SciPy minimizes the KL over mean and Cholesky factor, by a Gauss-Hermite rule, from another start",
    tolerance="1e-4; the last KL above the minimum, by less than a tenth of it",
)
def test_the_last_sliver_of_the_fit(page):
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    points = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1)

    def kl(free):
        mean, log_diagonal, below = free[:2], free[2:4], free[4]
        scale = np.array([[np.exp(log_diagonal[0]), 0], [below, np.exp(log_diagonal[1])]])
        energy = -weights @ bioassay_log_joint(mean + points @ scale.T) @ weights / weights.sum() ** 2
        return bioassay_evidence() + energy - log_diagonal.sum() - 2 * stats.norm.entropy()

    best = optimize.minimize(kl, [1, 10, 0, 1.5, 0], method="BFGS").fun
    assert page["ch3-fit-best"] == pytest.approx(best, abs=1e-4)
    assert best < page["ch3-fit-last"] < 1.1 * best


@proves("elbo-evidence-depends-on-prior", oracle="marginal Gaussian densities by SciPy", tolerance="1e-6")
def test_a_wide_prior_turns_the_evidence_to_the_line(page):
    gain = cars_evidence(1, prior_std=50) - cars_evidence(2, prior_std=50)
    assert page["ch3-prior50-gain"] == pytest.approx(gain, abs=1e-6)
    assert gain > 0 > cars_evidence(1) - cars_evidence(2)


@proves("elbo-degree-choice", oracle="marginal Gaussian densities by SciPy, gaps by NumPy", tolerance="1e-6")
def test_degree_choice(page):
    exact = {d: cars_evidence(d) for d in range(1, 7)}
    mean_field = {d: exact[d] - mean_field_gap(cars_precision(d)) for d in exact}
    assert page["ch3-best-exact"] == max(exact, key=exact.get) == 2
    assert page["ch3-best-mean-field"] == max(mean_field, key=mean_field.get) == 1
    assert page["ch3-degree-gain"] == pytest.approx(exact[2] - exact[1], abs=1e-6)
    assert page["ch3-degree-loss"] == pytest.approx(mean_field[1] - mean_field[2], abs=1e-6)


@proves(
    "elbo-mean-field-gap",
    oracle="SciPy minimizes E_q[log q - log p] over the widths of q numerically, for two sets of distances",
    tolerance="1e-6",
)
def test_mean_field_gap(page):
    for degree in (1, 2, 6):
        assert page[f"ch3-gap-{degree}"] == pytest.approx(mean_field_gap(cars_precision(degree)), abs=1e-6)
    for shift in (0.0, 30.0):  # other distances, the same gap
        precision = cars_precision(2)
        mean = np.linalg.solve(precision, powers(2).T @ (DISTANCE + shift) / 225)
        log_det = np.linalg.slogdet(precision)[1]

        def kl(free, precision=precision, mean=mean, log_det=log_det):
            off, log_std = free[:3] - mean, free[3:]
            return (
                0.5 * (np.diag(precision) @ np.exp(2 * log_std) + off @ precision @ off - 3 - log_det) - log_std.sum()
            )

        best = optimize.minimize(kl, np.append(mean + 0.1, np.zeros(3)), method="BFGS", options={"gtol": 1e-8})
        assert page["ch3-gap-2"] == pytest.approx(best.fun, abs=1e-6)


@proves("elbo-orthogonal-coordinates", oracle="the same model with NumPy's QR, SciPy's evidence", tolerance="1e-6")
def test_orthogonal_coordinates(page):
    def gap(degree):
        return mean_field_gap(orthogonal_precision(degree))

    elbos = {d: cars_evidence(d) - gap(d) for d in range(1, 7)}
    assert page["ch3-best-orthogonal"] == max(elbos, key=elbos.get) == 2
    assert page["ch3-gap-2-orthogonal"] == pytest.approx(gap(2), abs=1e-6)
    assert page["ch3-gap-6-orthogonal"] == pytest.approx(gap(6), abs=1e-4)


MU0, LAM0, A0, B0, N = 0.0, 0.1, 1.0, 1.0, 10  # the Normal-Gamma prior of the chapter
M, A = X.sum() / (LAM0 + N), A0 + (N + 1) / 2
SQUARES = np.sum((X - M) ** 2) + LAM0 * M**2


def normal_gamma_joint(mu, tau):
    scale = 1 / np.sqrt(tau)
    log_prior = stats.norm.logpdf(mu, MU0, scale / np.sqrt(LAM0)) + stats.gamma.logpdf(tau, A0, scale=1 / B0)
    return log_prior + stats.norm.logpdf(X[:, None, None], mu, scale).sum(axis=0)


def normal_gamma_elbo(v, b):
    """E_q[log p - log q] on a product Gauss rule: Hermite for the normal, Laguerre for the Gamma."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    gamma_nodes, gamma_weights = roots_genlaguerre(60, A - 1)
    mu, tau = M + np.sqrt(v) * nodes, gamma_nodes / b
    log_q = stats.norm.logpdf(mu, M, np.sqrt(v))[:, None] + stats.gamma.logpdf(tau, A, scale=1 / b)
    terms = normal_gamma_joint(mu[:, None], tau[None, :]) - log_q
    return (weights / weights.sum()) @ terms @ (gamma_weights / gamma_weights.sum())


def sweep(b):
    v = b / (A * (LAM0 + N))
    return v, B0 + (SQUARES + (N + LAM0) * v) / 2


@proves(
    "elbo-cavi-monotone",
    oracle="ELBO by two-dimensional Gauss quadrature of SciPy densities at every half-step",
    tolerance="rises beyond 1e-6; the page's values to 1e-4",
)
def test_coordinate_ascent_is_monotone(page):
    v, b = 1.0, 400.0
    trace = [normal_gamma_elbo(v, b)]
    for _ in range(6):
        v, new_b = sweep(b)
        trace += [normal_gamma_elbo(v, b), normal_gamma_elbo(v, new_b)]
        b = new_b
    assert np.all(np.diff(trace) > -1e-6) and np.all(np.diff(trace[:7]) > 0)
    assert page["ch3-cavi-first"] == pytest.approx(trace[0], abs=1e-3)
    assert page["ch3-cavi-elbo"] == pytest.approx(trace[-1], abs=1e-4)


@proves("elbo-cavi-rate", oracle="successive errors of b/a around the analytic fixed point", tolerance="1e-6")
def test_coordinate_ascent_rate(page):
    assert page["ch3-cavi-rate"] == "1/13"
    limit = (B0 + SQUARES / 2) / (A - 0.5)
    for b in (400.0, 0.4):
        errors = []
        for _ in range(4):
            errors.append(b / A - limit)
            _, b = sweep(b)
        np.testing.assert_allclose(np.divide(errors[1:], errors[:-1]), 1 / 13, rtol=1e-6)


@proves(
    "elbo-cavi-mean-exact",
    oracle="posterior of tau on a grid (mu integrated by SciPy's Student t evidence), and the evidence itself",
    tolerance="mean 1e-4, variances 1e-3, gap 1e-4",
)
def test_coordinate_ascent_mean_and_variance(page):
    def marginal(tau):  # integrate mu out: the data are jointly Gaussian given tau
        cov = (np.eye(N) + 1 / LAM0) / tau
        return np.exp(stats.multivariate_normal(np.zeros(N), cov).logpdf(X)) * stats.gamma.pdf(tau, A0, scale=1 / B0)

    z, mean, square = (integrate.quad(lambda t, k=k: t**k * marginal(t), 0, 10, epsabs=1e-16)[0] for k in range(3))
    variance = square / z - (mean / z) ** 2
    b = page["ch3-cavi-b"]
    assert A / b == pytest.approx(mean / z, abs=1e-4)
    assert page["ch3-cavi-v"] == pytest.approx(z / mean / (LAM0 + N), rel=1e-3)
    assert A / b**2 / variance == pytest.approx(page["ch3-cavi-ratio"], abs=1e-3) and page["ch3-cavi-ratio"] < 1
    assert page["ch3-cavi-evidence"] == pytest.approx(np.log(z), abs=1e-6)
    assert page["ch3-cavi-gap"] == pytest.approx(np.log(z) - normal_gamma_elbo(page["ch3-cavi-v"], b), abs=1e-4)
