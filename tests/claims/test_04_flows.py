"""Proofs of chapter 4 on flows: fitted anew under each key, weighed by densities written in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.tree_util import Partial
from scipy import stats
from scipy.optimize import minimize
from scipy.special import logsumexp
from zscores import assert_mean

import vi_lab as vi
from claims import proves
from vi_lab import models
from vi_lab.forward import fit_draws


def log_banana(z):
    return stats.norm.logpdf(z[:, 0], 0, 2) + stats.norm.logpdf(z[:, 1], 0.5 * (z[:, 0] ** 2 - 4), 1)


CENTER = np.array([-0.5, -0.25])


def crescent(z, turn):
    """The log density of one moon, an arc around turn * CENTER, by angle and log radius; area is r^2 of them."""
    x, y = (turn * z - CENTER).T
    log_r = np.log(np.hypot(x, y))
    angles = np.arctan2(x, y)[:, None] + 2 * np.pi * np.array([-1, 0, 1])
    return logsumexp(stats.norm.logpdf(angles, 0, 0.7), axis=1) + stats.norm.logpdf(log_r, 0, 0.1) - 2 * log_r


def log_moons(z):
    return np.logaddexp(crescent(z, -1), crescent(z, 1)) - np.log(2)


def draw_moons(rng, num_samples):
    turn = rng.choice([-1, 1], (num_samples, 1))
    angle, r = 0.7 * rng.standard_normal(num_samples), np.exp(0.1 * rng.standard_normal(num_samples))
    return turn * (CENTER + np.stack([r * np.sin(angle), r * np.cos(angle)], axis=1))


@jax.jit
def push(flow, eps):
    """Draws of the flow and their log densities, the Jacobian by autodiff."""

    def one(e):
        return jax.scipy.stats.norm.logpdf(e).sum() - jnp.linalg.slogdet(jax.jacfwd(flow.transform)(e))[1]

    return flow.transform(eps), jax.vmap(one)(eps)


TARGETS = {"banana": models.banana().posterior, "moons": models.two_moons().posterior}
OPTIMIZER = optax.adam(optax.cosine_decay_schedule(0.01, 3000))
START = vi.Flow.standard(2, num_layers=6, hidden=16)


def log_density(on_moons, z):
    return jnp.where(on_moons, TARGETS["moons"].log_prob(z), TARGETS["banana"].log_prob(z))


def fitted(key, name):
    log_joint = Partial(log_density, jnp.array(name == "moons"))
    settings = {"num_steps": 3000, "num_samples": 32, "optimizer": OPTIMIZER}
    runs = [vi.fit(START, k, log_joint, **settings) for k in jax.random.split(key, 3)]
    return max(runs, key=lambda run: run.elbo.value).q


@proves(
    "geometry-flow-fits-banana",
    oracle="the banana's density in NumPy, the flow's by the determinant of an autodiff Jacobian",
    tolerance="mean + 5 standard errors over 50,000 draws below 0.05 nats, in fits under other keys than the page's",
)
def test_flow_on_the_banana(page, key):
    q = fitted(key, "banana")
    z, log_q = push(q, jax.random.normal(jax.random.fold_in(key, 1), (50_000, 2)))
    gaps = np.asarray(log_q) - log_banana(np.asarray(z))
    assert gaps.mean() + 5 * gaps.std() / np.sqrt(len(gaps)) < page["ch4-flow-target"] == 0.05
    np.testing.assert_allclose(q.log_prob(z[:100]), log_q[:100], atol=1e-6)
    assert page["ch4-banana-flow"] < 0.05 < page["ch4-banana-pair"] < page["ch4-banana-full"]
    assert page["ch4-flow-size"] == sum(leaf.size for leaf in jax.tree.leaves(q))


_nodes, _weights = np.polynomial.hermite_e.hermegauss(60)
HERMITE = np.stack(np.meshgrid(_nodes, _nodes, indexing="ij"), axis=-1).reshape(-1, 2)
HERMITE_WEIGHTS = np.outer(_weights, _weights).ravel() / (2 * np.pi)


def log_normal(z, v):
    """The log density of N(v[:2], L L^T), L = [[e^v2, 0], [v3, e^v4]]."""
    a = (z[:, 0] - v[0]) / np.exp(v[2])
    b = (z[:, 1] - v[1] - v[3] * a) / np.exp(v[4])
    return -(a**2 + b**2) / 2 - v[2] - v[4] - np.log(2 * np.pi)


def draws_of(v):
    return v[:2] + np.stack([np.exp(v[2]) * HERMITE[:, 0], HERMITE @ [v[3], np.exp(v[4])]], axis=1)


def full_rank_kl(v):
    z = draws_of(v)
    return HERMITE_WEIGHTS @ (log_normal(z, v) - log_moons(z))


def pair_kl(v):
    """Two Gaussians with weights 1/2, the second one the first turned by half a circle, as the moons are."""
    z = draws_of(v)
    turned = log_normal(-z, v)
    return HERMITE_WEIGHTS @ (np.logaddexp(log_normal(z, v), turned) - np.log(2) - log_moons(z))


@proves(
    "geometry-families-on-moons",
    oracle="SciPy's BFGS on Gauss-Hermite sums for the Gaussian and for two, by symmetry; the moons' density in NumPy",
    tolerance="0.05 nats for both; the flow below the pair's KL, in fits under other keys too",
)
def test_families_on_the_moons(page, key):
    start = np.array([-0.5, 0.6, -1.0, 0.0, -2.0])
    full, pair = (minimize(kl, start, method="BFGS").fun for kl in (full_rank_kl, pair_kl))
    assert page["ch4-moons-full"] == pytest.approx(full, abs=0.05)
    assert page["ch4-moons-pair"] == pytest.approx(pair, abs=0.05)
    assert page["ch4-moons-flow"] < pair < full
    z, log_q = push(fitted(key, "moons"), jax.random.normal(jax.random.fold_in(key, 1), (50_000, 2)))
    assert np.mean(np.asarray(log_q) - log_moons(np.asarray(z))) < pair


@proves(
    "geometry-forward-flow-keeps-the-tips",
    oracle="exact draws of the moons and their density, both in NumPy",
    tolerance="the reverse flow's KL(p || q) more than twice the forward one's, KL(q || p) higher; other keys too",
)
def test_forward_flow(page, key):
    rng = np.random.default_rng(int(jax.random.randint(key, (), 0, 10**6)))
    backward = fitted(key, "moons")
    forward = fit_draws(START, key, draw_moons(rng, 20_000), num_steps=2000).q
    z = draw_moons(rng, 50_000)
    missed = {q: np.mean(log_moons(z) - np.asarray(q.log_prob(z))) for q in (forward, backward)}
    assert missed[backward] > 2 * missed[forward]
    assert page["ch4-reverse-flow-forward"] > 2 * page["ch4-forward-flow-forward"]
    draws = {q: push(q, jax.random.normal(key, (50_000, 2))) for q in missed}
    lost = {q: np.mean(np.asarray(log_q) - log_moons(np.asarray(z))) for q, (z, log_q) in draws.items()}
    assert lost[forward] < lost[backward]
    assert page["ch4-forward-flow-reverse"] < page["ch4-reverse-flow-reverse"]


@proves(
    "geometry-chains-follow-the-moons",
    oracle="the moons' symmetry: turned by half a circle they are themselves, so that shares are 1/2 and means 0",
    tolerance="|z| < 5 over the page's 200 independent chains",
)
def test_chains(page):
    assert_mean(page["ch4-share"], 0.5)
    assert_mean(page["ch4-chain-means"], [0.0, 0.0])
    z = draw_moons(np.random.default_rng(1), 1000)
    np.testing.assert_allclose(TARGETS["moons"].log_prob(z), log_moons(z), atol=1e-9)
    np.testing.assert_allclose(log_moons(-z), log_moons(z), atol=1e-9)
