"""Chains on real posteriors: moments against quadrature, and against what posteriordb publishes."""

import numpy as np
import pytest
from chain_oracles import assert_chain_mean, assert_chain_moments, bioassay_moments

from vi_lab import FullRank, data, mcmc, models


def test_bioassay_has_the_moments_of_quadrature(key):
    model, (mean, cov, log_evidence) = models.bioassay(), bioassay_moments()
    assert float(model.log_evidence) == pytest.approx(log_evidence, abs=1e-5)
    q = FullRank.from_cov(mean, cov)
    settings = {"num_samples": 2000, "inverse_mass_matrix": mcmc.inverse_mass_matrix(q), "target_acceptance": 0.9}
    chains = mcmc.sample(model.log_joint, key, mcmc.warm_start(q, key, 4), **settings)
    assert_chain_moments(chains.draws, mean, cov)


def test_eight_schools_has_the_means_that_posteriordb_publishes(key):
    """Within the Monte Carlo errors of both: theirs is given with their means."""
    model = models.eight_schools()
    positions = mcmc.warm_start(model.prior, key, 4)
    chains = mcmc.sample(model.log_joint, key, positions, num_samples=2000, target_acceptance=0.9)
    found = chains.to_inference_data(model.constrain).posterior
    for name, moments in data.reference_posterior("eight_schools-eight_schools_noncentered").items():
        values = found[name].to_numpy().reshape(4, 2000, -1)
        for i in range(values.shape[-1]):
            expected, error = np.atleast_1d(moments.mean)[i], np.atleast_1d(moments.mcse_mean)[i]
            assert_chain_mean(values[..., i], expected, f"{name}[{i}]", extra_error=error)
