"""NUTS on the wells posterior: q's covariance as metric, *the fit's time counted*, beside BlackJAX's window adaptation.

Run from the top of the repository: `python benchmarks/nuts_metrics.py`. In one process, compiled beforehand, the ways
take turns; each run is a whole one: fit or adaptation, warmup, and 4 chains of 1,000 draws. Effective draws are those
of the worst coefficient (bulk ESS, ArviZ); gradients count every evaluation of all chains, and of the fit one for each
draw of each step. The ratios are those of each turn, their medians with the quartiles.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

import vi_lab as vi  # noqa: E402
from vi_lab import data, mcmc  # noqa: E402

TURNS = 15
CHAINS = 4
FIT = {"num_steps": 150, "num_samples": 8}  # a metric need not be fine, and a warm start neither
SHORT = 100  # iterations of warmup, where only a step size is left to find
LONG = 500  # of window adaptation


def wells() -> vi.models.Model:
    """An intercept, distance, arsenic, schooling and association, standardized."""
    table = data.wells()
    x = np.stack([table.distance_m, table.arsenic, table.education_years, table.association], axis=1)
    x = np.insert((x - x.mean(axis=0)) / x.std(axis=0), 0, 1.0, axis=1)
    return vi.models.logistic_regression(x, table.switched)


def by_fit(model: vi.models.Model, key: jax.Array) -> tuple[mcmc.Chains, int]:
    """Chains in q's metric, and the gradients that the fit took."""
    fit_key, start_key, key = jax.random.split(key, 3)
    q = vi.fit(vi.FullRank.standard(model.dim), fit_key, model.log_joint, **FIT).q
    positions, metric = mcmc.warm_start(q, start_key, CHAINS), mcmc.inverse_mass_matrix(q)
    chains = mcmc.sample(model.log_joint, key, positions, inverse_mass_matrix=metric, num_warmup=SHORT)
    return chains, FIT["num_steps"] * FIT["num_samples"]


def by_windows(dense: bool, num_warmup: int, model: vi.models.Model, key: jax.Array) -> tuple[mcmc.Chains, int]:
    start_key, key = jax.random.split(key)
    metric = jnp.eye(model.dim) if dense else None
    positions = mcmc.warm_start(model.prior, start_key, CHAINS)
    settings = {"inverse_mass_matrix": metric, "num_warmup": num_warmup, "warmup": "window"}
    return mcmc.sample(model.log_joint, key, positions, **settings), 0


WAYS = {
    "q's covariance": by_fit,
    "windows, diagonal": lambda *args: by_windows(False, LONG, *args),
    "windows, dense": lambda *args: by_windows(True, LONG, *args),
    "windows, dense, short": lambda *args: by_windows(True, 2 * SHORT, *args),
}


def measure(way, model: vi.models.Model, key: jax.Array) -> tuple[float, ...]:
    """Seconds, gradients, effective draws, and the latter by either."""
    start = time.perf_counter()
    chains, fit_gradients = way(model, key)
    jax.block_until_ready(chains)
    seconds, gradients = time.perf_counter() - start, chains.total_gradients + fit_gradients
    size = float(chains.ess().min())
    return seconds, gradients, size, size / seconds, size / gradients


def main() -> None:
    model = wells()
    for way in WAYS.values():
        measure(way, model, jax.random.key(1000))  # compiles
    runs = {name: [] for name in WAYS}
    for turn in range(TURNS):
        for name in np.random.default_rng(turn).permutation(list(WAYS)):
            runs[name].append(measure(WAYS[name], model, jax.random.key(turn)))
    found = {name: np.array(rows) for name, rows in runs.items()}
    print(f"{'median of ' + str(TURNS):24s}{'seconds':>10s}{'gradients':>11s}{'ESS':>8s}{'ESS/s':>9s}{'ESS/grad':>10s}")
    for name, rows in found.items():
        print(f"{name:24s}" + "{:10.3f}{:11.0f}{:8.0f}{:9.0f}{:10.3f}".format(*np.median(rows, axis=0)))
    first, *others = WAYS
    print(f"{first} over ...: ratio of effective draws a second, and a gradient, with quartiles")
    for name in others:
        quartiles = np.quantile(found[first][:, 3:] / found[name][:, 3:], [0.25, 0.5, 0.75], axis=0).T
        print(f"{name:24s}" + "   ".join("{1:.2f} [{0:.2f}, {2:.2f}]".format(*row) for row in quartiles))


if __name__ == "__main__":
    main()
