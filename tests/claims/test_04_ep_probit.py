"""Chapter 4, expectation propagation on the bioassay with a probit: SciPy for all three methods and the truth."""

from functools import cache

import numpy as np
import pytest
from ep_oracles import exact, from_moments, probit_factors, run
from scipy import optimize, stats
from scipy.special import log_ndtr

from claims import proves

X = np.column_stack([np.ones(20), np.repeat([-0.86, -0.30, -0.05, 0.73], 5)])
Y = np.concatenate([[1] * deaths + [0] * (5 - deaths) for deaths in (0, 1, 3, 5)])
SIGNED = (2 * Y - 1)[:, None] * X
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)


def laplace(s):
    def minus_joint(z):
        return -log_ndtr(SIGNED @ z).sum() - stats.norm.logpdf(z, 0, s).sum()

    mode = optimize.minimize(minus_joint, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    u = SIGNED @ mode
    mills = np.exp(stats.norm.logpdf(u) - log_ndtr(u))
    precision = np.eye(2) / s**2 + (SIGNED.T * (mills * (mills + u))) @ SIGNED
    log_evidence = -minus_joint(mode) + np.log(2 * np.pi) - np.linalg.slogdet(precision)[1] / 2
    return mode, np.linalg.inv(precision), log_evidence


def reverse_kl(s, start):
    """The ELBO by one-dimensional integrals along each animal's projection, prior and entropy in closed form."""

    def unpack(v):
        scale = np.array([[np.exp(v[2]), 0], [v[3], np.exp(v[4])]])
        return v[:2], scale @ scale.T

    def minus_elbo(v):
        mean, cov = unpack(v)
        u = SIGNED @ mean + np.sqrt(np.einsum("ni,ij,nj->n", SIGNED, cov, SIGNED)) * NODES[:, None]
        fit = (WEIGHTS / WEIGHTS.sum()) @ log_ndtr(u).sum(axis=1)
        prior = -np.log(2 * np.pi * s**2) - (mean @ mean + np.trace(cov)) / (2 * s**2)
        return -fit - prior - (1 + np.log(2 * np.pi)) - v[2] - v[4]

    factor = np.linalg.cholesky(start[1])
    first = [*start[0], np.log(factor[0, 0]), factor[1, 0], np.log(factor[1, 1])]
    best = optimize.minimize(minus_elbo, first, tol=1e-9)
    return *unpack(best.x), -best.fun


@cache
def ep_on_grid(s, sweeps=9):
    return run(from_moments(np.zeros(2), s**2 * np.eye(2)), probit_factors(X, Y), sweeps=sweeps, num_points=101)


@cache
def fits(s):
    prior = from_moments(np.zeros(2), s**2 * np.eye(2))
    log_evidence, mean, cov = exact(prior, probit_factors(X, Y), [-4 - s, -1 - s], [5 + s, 12 + 4 * s], 601)
    at_mode = laplace(s)
    found = {"Laplace": at_mode, "VI": reverse_kl(s, at_mode), "EP": ep_on_grid(s)[:3]}
    sd = cov[1, 1] ** 0.5
    return {
        n: np.array([(mean[1] - m[1]) / sd, 1 - c[1, 1] / sd**2, log_evidence - e]) for n, (m, c, e) in found.items()
    }


def test_numbers_of_the_page(page):
    for s in (1, 2, 4):
        for name, (mean, var, evidence) in fits(s).items():
            on_page = [page[f"ch4ep-probit-{s}-{name}-{what}"] for what in ("mean", "var", "evidence")]
            assert on_page[::2] == pytest.approx([mean, evidence], abs=1e-4)
            assert on_page[1] == pytest.approx(100 * var, abs=2e-3)


@proves(
    "ep-probit-ahead-of-vi",
    oracle="EP and truth on grids, reverse KL by one-dimensional integrals, all with SciPy",
    tolerance="order strict for three priors; at prior sd 1 variance within 5%, evidence within 1%",
)
def test_ep_is_ahead_of_reverse_kl(page):
    for s in (1, 2, 4):
        assert np.all(np.abs(fits(s)["EP"][1:]) < np.abs(fits(s)["VI"][1:]))
    assert abs(fits(1)["EP"][1]) < 0.05 and abs(fits(1)["EP"][2]) < 0.01 * 10.2
    assert abs(page["ch4ep-probit-1-EP-var"]) < 5 and page["ch4ep-probit-1-EP-evidence"] < 0.01 * 10.2


@proves(
    "ep-log-concave-sites", oracle="site matrices of EP on grids, three priors", tolerance="eigenvalues > -1e-9; 1e-6"
)
def test_sites_of_a_log_concave_factor():
    """A fixed point: two more sweeps change nothing."""
    for s in (1, 2, 4):
        assert np.linalg.eigvalsh(ep_on_grid(s)[3]).min() > -1e-9
    first, second = ep_on_grid(4, 12), ep_on_grid(4, 14)
    assert np.allclose(first[0], second[0], atol=1e-6) and np.allclose(first[1], second[1], atol=1e-6)


@proves("ep-probit-laplace", oracle="mode and curvature by SciPy, truth on a grid", tolerance="order strict")
def test_laplace_is_lucky(page):
    for s in (1, 2, 4):
        assert abs(fits(s)["Laplace"][0]) > 5 * max(abs(fits(s)[name][0]) for name in ("VI", "EP"))
    wide, narrow = np.abs(fits(4)["Laplace"][1:]), np.abs(fits(1)["Laplace"][1:])
    assert np.all(wide < np.abs(fits(4)["EP"][1:])) and np.all(narrow > np.abs(fits(1)["VI"][1:]))
    assert page["ch4ep-probit-4-Laplace-evidence"] < page["ch4ep-probit-4-EP-evidence"]


@proves(
    "ep-nearest-where",
    oracle="for probit the errors of this file; for clutter the errors that other tests prove",
    tolerance="names equal",
)
def test_nearest(page):
    for s in (1, 2, 4):
        for k, what in enumerate(("mean", "var", "evidence")):
            nearest = min(fits(s), key=lambda name, s=s, k=k: abs(fits(s)[name][k]))
            assert page[f"ch4ep-nearest-{s}-{what}"] == nearest
    for case, names in (("twenty", ["VI", "EP", "VI"]), ("four", ["EP", "EP", "VI"])):
        assert [page[f"ch4ep-nearest-{case}-{what}"] for what in ("mean", "var", "evidence")] == names
