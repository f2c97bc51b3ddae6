"""Makes the record: every fit anew, `python -m vi_lab.museum.freeze [name ...]`, written to frozen.json.

In 64 bits, on the CPU. Names that are not given keep their records.
"""

import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vi_lab.diagnostics import diagnose, pareto_k
from vi_lab.fit import Fit, fit
from vi_lab.models import Model
from vi_lab.museum import CASES
from vi_lab.museum.exhibit import Case, Reference, pack
from vi_lab.museum.good import CASES as GOOD
from vi_lab.quadrature import grid

PATH = Path(__file__).with_name("frozen.json")
STEPS = 200  # of a trace that are kept


def refit(case: Case) -> Fit:
    """The fit as it was made."""
    model = case.model()
    log_joint = case.climbed(model) if case.climbed else model.log_joint
    return fit(case.start(), jax.random.key(case.seed), log_joint, progress=False, **case.settings)


def moments(case: Case) -> Reference:
    """Mean and standard deviation of the true posterior."""
    model = (case.truth or case.model)()
    if case.reference:
        return case.reference(model)
    if case.box:
        return by_quadrature(model, *case.box)
    return Reference(model.posterior.mean, np.sqrt(np.diag(model.posterior.cov())), "closed form")


def by_quadrature(model: Model, lower: Any, upper: Any) -> Reference:
    z, weights = grid(lower, upper, dim=model.dim, num_points=400)
    log_p = np.asarray(jax.vmap(model.log_joint)(z))
    p = np.asarray(weights) * np.exp(log_p - log_p.max())
    p /= p.sum()
    mean = p @ np.asarray(z)
    return Reference(mean, np.sqrt(p @ np.square(z - mean)), "quadrature on a grid of 400 by 400 points")


def freeze(case: Case) -> dict[str, Any]:
    """The record of one case: numbers and words that JSON can hold."""
    model, result, reference = case.model(), refit(case), moments(case)
    q, key = result.q, jax.random.key(case.seed + 1)
    z = q.sample(key, 4000)
    kept = np.unique(np.linspace(0, len(result.trace) - 1, STEPS).astype(int))
    elbo = [float(part) for part in result.elbo]
    report = diagnose(q, key, model, fit=result)
    try:
        k = float(pareto_k(q, key, model.log_joint))
    except ValueError:  # no weight is of use
        k = float("nan")
    return {
        "q": pack(q),
        "elbo": elbo if np.isfinite(elbo).all() else [repr(part) for part in elbo],
        "trace": [[int(i), shorten(result.trace[i])] for i in kept],
        "converged": bool(result.converged),
        "reason": result.reason,
        "mean": shorten(z.mean(0)),
        "std": shorten(z.std(0)),
        "pareto_k": repr(shorten(k)),
        "faults": list(report.faults),
        "reference": {
            "mean": np.asarray(reference.mean, float).tolist(),
            "std": np.asarray(reference.std, float).tolist(),
            "source": reference.source,
        },
    }


def shorten(values: Any) -> Any:
    """As many digits as anyone will read: the file stays small."""
    rounded = [float(f"{float(x):.6g}") for x in np.ravel(values)]
    return rounded if np.ndim(values) else rounded[0]


def main(names: list[str]) -> None:
    jax.config.update("jax_enable_x64", True)
    cases = {**CASES, **GOOD}
    book = json.loads(PATH.read_text(encoding="utf8")) if PATH.exists() else {}
    for name in names or cases:
        book[name] = freeze(cases[name])
        print(f"{name}: {book[name]['elbo']}, {book[name]['faults']}", flush=True)
        ordered = {name: book[name] for name in cases if name in book}
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(ordered[name])}" for name in ordered)
        PATH.write_text("{\n" + lines + "\n}\n", encoding="utf8")


if __name__ == "__main__":
    main(sys.argv[1:])
