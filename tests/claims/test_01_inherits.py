"""Proofs of chapter 1 on what the divergence inherits: sums, variables, chains, processing, Pinsker."""

import itertools

import numpy as np
import pytest
from kl_oracles import VOWEL, P, Q, gaussian_kl
from scipy import integrate, special, stats

from claims import proves


@proves(
    "additive-and-invariant",
    oracle="the textbook formula in NumPy, and SciPy's quadrature for log-normals, a variable that is not affine",
    tolerance="1e-10; 1e-8 by quadrature",
)
def test_additive_and_invariant(page):
    a, cov = np.array([[2.0, -1.0], [0.5, 3.0]]), np.array([[1.0, 0.6], [0.6, 2.0]])
    before = gaussian_kl([1, -0.5], cov, [0, 0], np.eye(2))
    after = gaussian_kl(a @ [1, -0.5], a @ cov @ a.T, [0, 0], a @ a.T)
    assert page["ch1-before"] == pytest.approx(before, abs=1e-10)
    assert page["ch1-after"] == pytest.approx(after, abs=1e-10)
    assert after == pytest.approx(before, abs=1e-10)
    assert page["ch1-joint"] == pytest.approx(gaussian_kl([0.3, 2], np.eye(2), [0, 0], np.eye(2)), abs=1e-10)
    assert page["ch1-parts"] == pytest.approx((0.3**2 + 2**2) / 2, abs=1e-10)
    q, p = stats.lognorm(0.5), stats.lognorm(0.8, scale=np.exp(0.4))  # y = exp(z)
    edges = np.exp(0.5 * np.linspace(-8, 8, 33))

    def tax(y):
        return q.pdf(y) * (q.logpdf(y) - p.logpdf(y))

    total = sum(integrate.quad(tax, *pair, epsabs=1e-13)[0] for pair in itertools.pairwise(edges))
    assert total == pytest.approx(gaussian_kl([0], [[0.25]], [0.4], [[0.64]]), abs=1e-8)


@proves("chain-rule", oracle="exhaustive sums with SciPy's rel_entr on recounted letters", tolerance="1e-12")
def test_chain_rule(page):
    whole, kind, within = special.rel_entr(Q, P).sum(), 0.0, 0.0
    for part in (VOWEL, ~VOWEL):
        kind += special.rel_entr(Q[part].sum(), P[part].sum())
        conditional = special.rel_entr(Q[part] / Q[part].sum(), P[part] / P[part].sum()).sum()
        within += Q[part].sum() * conditional
    assert kind + within == pytest.approx(whole, abs=1e-12)
    assert page["ch1-letters-nats"] == pytest.approx(whole, abs=1e-12)
    assert page["ch1-within"] == pytest.approx(within, abs=1e-12)


@proves(
    "data-processing",
    oracle="SciPy's rel_entr on recounted letters; 200 random coarsenings and 200 noisy channels",
    tolerance="never more divergence after than before, to 1e-12; the number on the page to 1e-12",
)
def test_data_processing(page):
    kind = special.rel_entr([Q[VOWEL].sum(), Q[~VOWEL].sum()], [P[VOWEL].sum(), P[~VOWEL].sum()]).sum()
    whole = special.rel_entr(Q, P).sum()
    assert page["ch1-kind"] == pytest.approx(kind, abs=1e-12) and kind < whole
    rng = np.random.default_rng(1)
    for _ in range(200):
        merge = np.eye(5)[rng.integers(5, size=26)]
        for channel in (merge, rng.dirichlet(np.ones(5), size=26)):
            assert special.rel_entr(Q @ channel, P @ channel).sum() <= whole + 1e-12


@proves(
    "pinsker",
    oracle="total variation by exhaustive sum and by NumPy's trapezoid sum of |q - p| / 2; entropy by SciPy",
    tolerance="no violation among 2000 random alphabets and 11 Gaussian pairs; numbers on the page to 1e-9",
)
def test_pinsker(page):
    assert page["ch1-tv-letters"] == pytest.approx(np.maximum(Q - P, 0).sum(), abs=1e-9)
    assert page["ch1-tv-bound"] == pytest.approx(np.sqrt(stats.entropy(Q, P) / 2), abs=1e-9)
    q, p = np.random.default_rng(2).dirichlet(np.ones(4), size=(2, 2000))
    assert np.all(np.abs(q - p).sum(axis=1) / 2 <= np.sqrt(stats.entropy(q, p, axis=1) / 2))
    for mean, scale in ((m, s) for m in (0, 0.1, 1, 2) for s in (0.5, 1, 3) if (m, s) != (0, 1)):
        wide, base = stats.norm(mean, scale), stats.norm()
        grid = np.linspace(-20, 20, 20001)
        tv = np.trapezoid(np.abs(wide.pdf(grid) - base.pdf(grid)), grid) / 2
        assert tv <= np.sqrt(gaussian_kl([mean], [[scale**2]], [0], [[1]]) / 2)
    assert page["ch1-pinsker-holds"] is True


@proves(
    "small-kl-any-mean",
    oracle="-log(1 - 1e-4), the divergence when the moved events are out of q's reach; the mixture's mean by hand",
    tolerance="1e-9 nats; 1e-9 relative",
)
def test_small_kl_any_mean(page):
    assert page["ch1-rare-kl"] == pytest.approx(-np.log1p(-1e-4), abs=1e-9)
    assert page["ch1-rare-mean"] == pytest.approx(1e-4 * 1e6, rel=1e-9)
