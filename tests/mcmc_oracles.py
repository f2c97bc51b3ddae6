"""HMC, R-hat and the wells' posterior in NumPy: oracles of chapter 7."""

import math

import numpy as np
import reverse_kl_oracles as bioassay
from minibook import ROOT
from scipy.optimize import minimize
from scipy.special import expit

ROWS = np.loadtxt(ROOT / "vi_lab/data/wells.csv", delimiter=",", skiprows=1)[::10]
SWITCHED = ROWS[:, 0]
RAW = np.column_stack([np.ones(len(ROWS)), ROWS[:, [2, 1, 3, 4]]])


def hmc(log_joint, gradient, starts, rng, *, step, longest, iterations):
    """HMC with unit mass and a random number of steps, all chains at once: log joints and states of each."""
    z, lows, states = np.array(starts, float), [], []
    for _ in range(iterations):
        r, level = rng.standard_normal(z.shape), np.log(rng.uniform(size=len(z)))
        energy, end = -log_joint(z) + 0.5 * (r**2).sum(axis=1), z
        for _ in range(rng.integers(1, longest + 1)):
            r = r + step / 2 * gradient(end)
            end = end + step * r
            r = r + step / 2 * gradient(end)
        lost = -log_joint(end) + 0.5 * (r**2).sum(axis=1) - energy
        z = np.where((level < -lost)[:, None], end, z)
        lows.append(log_joint(z))
        states.append(z)
    return np.array(lows), np.array(states)


def split_rhat(draws):
    """(chains, n) -> R-hat without ranks, by sums over the half-chains."""
    parts = np.concatenate(np.split(draws[:, : draws.shape[1] // 2 * 2], 2, axis=1))
    n = parts.shape[1]
    within = sum(np.var(part, ddof=1) for part in parts) / len(parts)
    between = sum((part.mean() - parts.mean()) ** 2 for part in parts) / (len(parts) - 1)
    return math.sqrt((n - 1) / n + between / within)


def bioassay_slope(z):
    """The gradient of the bioassay's log joint, by hand."""
    expected = bioassay.ANIMALS * expit(z[0] + z[1] * bioassay.DOSE)
    left = bioassay.DEATHS - expected
    return np.array([left.sum(), left @ bioassay.DOSE]) - bioassay.PRIOR_PRECISION @ (z - [0, 10])


def wells_hmc(starts, rng, step, longest, iterations, metric):
    """HMC in the coordinates u of z = metric u: the metric as a change of variables."""
    x = RAW @ metric

    def log_joint(u):
        logits = u @ x.T
        return logits @ SWITCHED - np.logaddexp(0, logits).sum(axis=1) - ((u @ metric.T) ** 2).sum(axis=1) / 12.5

    def gradient(u):
        return (SWITCHED - expit(u @ x.T)) @ x - u @ metric.T @ metric / 6.25

    starts = np.linalg.solve(metric, starts.T).T
    lows, states = hmc(log_joint, gradient, starts, rng, step=step, longest=longest, iterations=iterations)
    return lows, states @ metric.T


def laplace():
    def loss(z):
        logits = RAW @ z
        value = logits @ SWITCHED - np.logaddexp(0, logits).sum() - z @ z / 12.5
        return -value, -(RAW.T @ (SWITCHED - expit(logits)) - z / 6.25)

    z = minimize(loss, np.zeros(5), jac=True, method="BFGS", options={"gtol": 1e-7}).x
    rate = expit(RAW @ z)
    return z, (RAW * (rate * (1 - rate))[:, None]).T @ RAW + np.eye(5) / 6.25, -loss(z)[0]
