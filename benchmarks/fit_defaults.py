"""The measurements behind the defaults of `vi_lab.fit`: how far below the family's optimum each choice ends, in nats.

Run from the top of the repository: `python benchmarks/fit_defaults.py`. Each line is the worst of three keys after
2,000 steps. The optima are those that tests/fit_oracles.py finds without a draw.
"""

import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np
import optax

jax.config.update("jax_enable_x64", True)
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fit_oracles import best_elbo, eight_schools_elbo, plane_elbo  # noqa: E402

import vi_lab as vi  # noqa: E402
from vi_lab.fit import in_local_coordinates  # noqa: E402

STEPS = 2000


def adam(rate: float = 0.1, exponent: float = 2, b2: float = 0.99) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(rate, STEPS, exponent=exponent), b2=b2)


SETTINGS = {
    "default": {},
    "reparameterized": {"gradient": vi.reparameterized},
    "plain coordinates": {"optimizer": adam()},
    "plain, 1000 steps' memory": {"optimizer": adam(b2=0.999)},
    "1000 steps' memory": {"optimizer": in_local_coordinates(adam(b2=0.999))},
    "rate 0.03": {"optimizer": in_local_coordinates(adam(0.03))},
    "rate 0.3": {"optimizer": in_local_coordinates(adam(0.3))},
    "cosine": {"optimizer": in_local_coordinates(adam(exponent=1))},
    "8 draws": {"num_samples": 8},
    "128 draws": {"num_samples": 128},
}


def problems() -> dict:
    """Name: (start, log joint, gap to the optimum)."""
    bioassay, schools = vi.models.bioassay(), vi.models.eight_schools()
    index, scale = np.arange(50), np.random.default_rng(0).permutation(np.geomspace(0.1, 10, 50))
    gaussian = vi.models.gaussian(3 * scale, 0.9 ** abs(index[:, None] - index) * np.outer(scale, scale))
    found = {"50 dimensions": (vi.FullRank.standard(50), gaussian.log_joint, lambda q: vi.kl(q, gaussian.posterior))}
    for name, model, elbo in (
        ("bioassay", bioassay, partial(plane_elbo, bioassay.log_joint)),
        ("eight schools", schools, eight_schools_elbo),
    ):
        start = vi.FullRank.standard(model.dim)
        best, _ = best_elbo(elbo, start)
        found[name] = start, model.log_joint, lambda q, best=best, elbo=elbo: best - elbo(q)
    return found


def main() -> None:
    for name, (start, log_joint, gap) in problems().items():
        print(name)
        for setting, chosen in SETTINGS.items():
            fits = [vi.fit(start, jax.random.key(k), log_joint, num_steps=STEPS, **chosen) for k in range(3)]
            print(f"  {setting:26s}{max(float(gap(each.q)) for each in fits):10.2g}", flush=True)


if __name__ == "__main__":
    main()
