"""Eight schools without a sampler: given tau all is Gaussian, so that moments are integrals over log tau alone."""

import numpy as np

from vi_lab.models import Model
from vi_lab.models.eight_schools import EFFECTS, STD_ERRORS
from vi_lab.museum.exhibit import Reference
from vi_lab.quadrature import grid


def schools_moments(model: Model) -> Reference:
    """Mean and standard deviation of z = (mu, log tau, theta), centered, under the posterior."""
    y, variance = np.array(EFFECTS), np.square(STD_ERRORS)
    log_tau, weights = (np.asarray(part) for part in grid(-40.0, 15.0, dim=1, num_points=400))
    log_tau = log_tau[:, 0]
    log_p, first, second = np.empty(400), np.empty((400, 10)), np.empty((400, 10))
    for i, tau in enumerate(np.exp(log_tau)):
        # (mu, theta) ~ N(0, prior), of which y sees theta; their moments given y and tau are a linear regression's.
        prior = np.full((9, 9), 25.0)
        prior[1:, 1:] += tau**2 * np.eye(8)
        seen = prior[1:, 1:] + np.diag(variance)
        gain = np.linalg.solve(seen, prior[1:]).T
        mean, cov = gain @ y, prior - gain @ prior[1:]
        scaled = log_tau[i] - np.log(5)
        log_p[i] = -np.logaddexp(scaled, -scaled) - 0.5 * (np.linalg.slogdet(seen)[1] + y @ np.linalg.solve(seen, y))
        first[i] = np.insert(mean, 1, log_tau[i])
        second[i] = first[i] ** 2 + np.insert(np.diag(cov), 1, 0.0)
    p = weights * np.exp(log_p - log_p.max())
    p /= p.sum()
    mean = p @ first
    return Reference(mean, np.sqrt(p @ second - mean**2), "quadrature over log tau, all else integrated exactly")
