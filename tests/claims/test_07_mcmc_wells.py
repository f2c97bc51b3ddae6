"""Proofs of chapter 7's first page, real posteriors: NumPyro's windows, condition numbers by SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import reverse_kl_oracles as bioassay
from fit_oracles import best_elbo, plane_elbo
from mcmc_oracles import RAW, SWITCHED, laplace
from numpyro.infer import MCMC, NUTS
from scipy.linalg import eigh
from scipy.special import expit

from claims import proves
from vi_lab import FullRank, models


@proves(
    "mcmc-wells-budget",
    oracle="NumPyro's window adaptation from the prior, its leapfrog steps counted; condition numbers of Laplace's",
    tolerance="the windows' gradients within a factor of 3; the orders as stated",
)
def test_what_the_windows_spend(page):
    def model():
        z = numpyro.sample("z", dist.Normal(0, 2.5).expand([5]).to_event(1))
        numpyro.sample("y", dist.Bernoulli(logits=jnp.asarray(RAW) @ z), obs=jnp.asarray(SWITCHED))

    chain = MCMC(
        NUTS(model, init_strategy=numpyro.infer.init_to_sample),
        num_warmup=500,
        num_samples=50,
        num_chains=4,
        chain_method="vectorized",
        progress_bar=False,
    )
    chain.warmup(jax.random.key(0), collect_warmup=True, extra_fields=("num_steps",))
    spent = int(np.sum(chain.get_extra_fields()["num_steps"]))
    assert spent / 3 < page["ch7-before-raw-window"] < 3 * spent
    assert min(spent, page["ch7-before-raw-window"]) > 3 * page["ch7-before-raw-vi"] > 3 * 16_000
    assert 1 < page["ch7-before-scaled-vi"] / page["ch7-before-scaled-window"] < 2
    assert 1 < page["ch7-after-ratio-scaled"] < 3 and page["ch7-after-ratio-raw"] > 5
    assert page["ch7-windows-floor"] == 4 < page["ch7-windows-ratio"]
    assert page["ch7-wells-kappa"] == pytest.approx(np.linalg.cond(laplace()[1]), rel=0.05)
    assert max(page["ch7-at-scaled"], page["ch7-at-raw"]) < 1.5


@proves(
    "mcmc-scale-cancels",
    oracle="condition numbers of c Sigma Lambda by SciPy, for random matrices",
    tolerance="1e-8",
)
def test_a_common_factor_cancels(page):
    rng = np.random.default_rng(0)
    a, b = (np.cov(rng.standard_normal((5, 30))) for _ in range(2))
    found = [eigh(a, np.linalg.inv(c * b), eigvals_only=True) for c in (1.0, 0.25, 0.01)]
    np.testing.assert_allclose([v[-1] / v[0] for v in found], found[0][-1] / found[0][0], rtol=1e-8)
    np.testing.assert_allclose(page["ch7-narrow"], page["ch7-narrow"][0], rtol=1e-8)


@proves(
    "mcmc-poor-fit-good-metric",
    oracle="q by L-BFGS on an ELBO without draws, the Hessian of the bioassay by hand",
    tolerance="3 percent in both condition numbers",
)
def test_a_poor_fit_is_a_fair_metric(page):
    model = models.bioassay()
    _, q = best_elbo(lambda q: plane_elbo(model.log_joint, q), FullRank([1.0, 10.0], np.diag([0.8, 3.6])))
    rate = expit(q.mean[0] + q.mean[1] * bioassay.DOSE)
    x = np.column_stack([np.ones(4), bioassay.DOSE])
    hessian = (x * (bioassay.ANIMALS * rate * (1 - rate))[:, None]).T @ x + bioassay.PRIOR_PRECISION
    values = eigh(hessian, np.linalg.inv(q.cov()), eigvals_only=True)
    assert page["ch7-bio-kappa"] == pytest.approx(values[-1] / values[0], rel=0.03)
    assert page["ch7-bio-identity"] == pytest.approx(np.linalg.cond(hessian), rel=0.03)
