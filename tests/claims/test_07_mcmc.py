"""Proofs of chapter 7's first page, what a sampler does: Metropolis and the leapfrog written in NumPy."""

import math

import numpy as np
import pytest
import reverse_kl_oracles as bioassay
from fit_oracles import best_elbo, plane_elbo
from mcmc_oracles import bioassay_slope
from scipy.stats import norm

from claims import proves
from vi_lab import FullRank, models


def tail_of_the_slope():
    """P(beta > 20) by a trapezoid sum, whose nodes at the edge count half."""
    slope = bioassay.POINTS[:, 1]
    return bioassay.MASS @ (0.5 * (slope > 20 - 1e-9) + 0.5 * (slope > 20 + 1e-9))


@proves(
    "mcmc-q-lacks-a-tail",
    oracle="a trapezoid sum over the plane in NumPy; q by L-BFGS on an ELBO without draws",
    tolerance="0.0003 and 0.001 in the probabilities",
)
def test_q_lacks_the_tail(page):
    exact = tail_of_the_slope()
    model = models.bioassay()
    _, q = best_elbo(lambda q: plane_elbo(model.log_joint, q), FullRank([1.0, 10.0], np.diag([0.8, 3.6])))
    by_q = norm.sf(20, q.mean[1], q.cov()[1, 1] ** 0.5)
    assert page["ch7-exact"] == pytest.approx(exact, abs=3e-4)
    assert page["ch7-by-q"] == pytest.approx(by_q, abs=1e-3)
    assert page["ch7-short"] == pytest.approx(page["ch7-exact"] / page["ch7-by-q"]) and page["ch7-short"] > 4


def metropolis_matrix(separation):
    """Entry by entry, a uniform step of up to ten grid points, from the unnormalized density."""
    line = np.linspace(-12, 12, 241)
    p = np.exp(-0.5 * (line - separation / 2) ** 2) + np.exp(-0.5 * (line + separation / 2) ** 2)
    T = np.zeros((241, 241))
    for i in range(241):
        for j in [*range(max(0, i - 10), i), *range(i + 1, min(241, i + 11))]:
            T[i, j] = min(1.0, p[j] / p[i]) / 20
        T[i, i] = 1 - T[i].sum()
    return line, p / p.sum(), T


@proves(
    "mcmc-metropolis-keeps-p",
    oracle="the transition matrix built entry by entry; its flows are symmetric, its powers return to p",
    tolerance="1e-14",
)
def test_metropolis_keeps_the_posterior():
    _, p, T = metropolis_matrix(6.0)
    flow = p[:, None] * T
    np.testing.assert_allclose(flow, flow.T, atol=1e-17)
    from_left = np.linalg.matrix_power(T, 2**16)[60]
    np.testing.assert_allclose(from_left, p, atol=1e-12)


@proves(
    "mcmc-metropolis-memory",
    oracle="powers of that matrix: from one memory to the next, what is left of the start shrinks by a factor e",
    tolerance="1 percent",
)
@pytest.mark.parametrize("separation", [6, 12])
def test_the_memory_of_a_start(page, separation):
    line, p, T = metropolis_matrix(float(separation))
    start = np.where(line < 0, p, 0) / p[line < 0].sum()

    def excess(steps):
        """How much of the start is left: twice the share on its side, less one."""
        state, power = start, T
        for bit in reversed(bin(steps)[2:]):  # T to the power of `steps`, applied to the start
            state = state @ power if bit == "1" else state
            power = power @ power
            power = power / power.sum(axis=1, keepdims=True)  # else rounding adds up over the squarings
        return 2 * (state[line < 0].sum() + 0.5 * state[line == 0].sum()) - 1

    memory = round(page[f"ch7-memory-{separation}"])
    assert excess(2 * memory) / excess(memory) == pytest.approx(math.exp(-1), rel=0.01)


def roll(z, r, step, count):
    for _ in range(count):
        r = r + step / 2 * bioassay_slope(z)
        z = z + step * r
        r = r + step / 2 * bioassay_slope(z)
    return np.concatenate([z, r])


@proves(
    "mcmc-leapfrog-reversible",
    oracle="another leapfrog in NumPy with the gradient by hand; the determinant of its Jacobian by differences",
    tolerance="1e-9 in the way back, 1e-6 in the determinant",
)
def test_the_leapfrog_goes_back_and_keeps_volume(page):
    begin = np.array([0.5, 8.0, 1.5, 1.5])
    end = roll(begin[:2], begin[2:], 0.8, 20)
    back = roll(end[:2], -end[2:], 0.8, 20)
    np.testing.assert_allclose(back[:2], begin[:2], atol=1e-9)
    assert page["ch7-back"] < 1e-10
    shifted = [begin + 1e-6 * side * axis for axis in np.eye(4) for side in (1, -1)]
    ends = [roll(v[:2], v[2:], 0.8, 5) for v in shifted]
    jacobian = np.array([(a - b) / 2e-6 for a, b in zip(ends[::2], ends[1::2], strict=True)])
    assert abs(np.linalg.det(jacobian)) == pytest.approx(1, abs=1e-6)


@proves(
    "mcmc-energy-second-order",
    oracle="the energy along another leapfrog in NumPy",
    tolerance="1e-6 nats in both errors; ratios toward 4 as the step is halved again",
)
def test_half_the_step_quarters_the_energy_error(page):
    def error(step):
        states = [roll(np.array([0.5, 8.0]), np.array([1.5, 1.5]), step, n) for n in range(int(16 / step) + 1)]
        energy = [0.5 * (v[2:] ** 2).sum() - float(bioassay.bioassay(*v[:2])) for v in states]
        return np.abs(np.array(energy) - energy[0]).max()

    errors = [error(step) for step in (0.8, 0.4, 0.2)]
    np.testing.assert_allclose(page["ch7-energy"], errors[:2], atol=1e-6)
    assert page["ch7-energy-ratio"] == pytest.approx(errors[0] / errors[1], rel=1e-4)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.1)


@proves(
    "mcmc-nuts-finds-the-tail",
    oracle="a trapezoid sum over the plane in NumPy",
    tolerance="5 Monte Carlo standard errors, which are below 0.006",
)
def test_the_sampler_finds_the_tail(page):
    exact = tail_of_the_slope()
    assert abs(page["ch7-nuts"] - exact) < 5 * page["ch7-nuts-error"] and page["ch7-nuts-error"] < 6e-3
    assert page["ch7-nuts"] > 3 * page["ch7-by-q"]
    assert 0.05 < page["ch7-nuts-worth"] < 0.5 and 5 < page["ch7-nuts-gradients"] < 12
