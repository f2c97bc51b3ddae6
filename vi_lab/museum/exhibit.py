"""What an exhibit is: a case that can be fitted again, and the record of how it went."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vi_lab._checks import LogJoint
from vi_lab.divergences import Estimate
from vi_lab.families import Family
from vi_lab.fit import Fit
from vi_lab.models import Model


class Reference(NamedTuple):
    """What the posterior is by a way that owes nothing to the fit.

    Attributes:
        mean, std: of each coordinate, shape (dim,).
        source: how they were computed.
        posterior: with exact draws by `.sample`, where there is one; else None.
    """

    mean: Float[Array, " dim"]
    std: Float[Array, " dim"]
    source: str
    posterior: Any = None


@dataclass(frozen=True, eq=False)
class Case:
    """A fit as it was made, well or badly, and what is true of it. `Exhibit` says what the fields mean to a reader.

    Attributes:
        model, start: of no arguments: the model that the practitioner wrote, and the q that the fit started from.
        settings: of `fit`, beside its key.
        climbed: model -> the log joint that was really climbed, if it is not the model's.
        truth: of no arguments: the model that should have been written, if `model` is not it.
        box: corners of a box that holds the posterior, where its moments come by quadrature.
        reference: model -> `Reference`, where they come neither from a closed form nor by quadrature.
    """

    title: str
    story: str
    model: Callable[[], Model]
    start: Callable[[], Family]
    fault: str | None = None
    diagnostic: str = "diagnose"
    explanation: str = ""
    cure: str = ""
    diagnosable: bool = True
    perfect: bool = False
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    climbed: Callable[[Model], LogJoint] | None = None
    truth: Callable[[], Model] | None = None
    box: tuple[Any, Any] | None = None
    reference: Callable[[Model], Reference] | None = None


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A frozen fit: what a practitioner had, what they saw, and what was wrong (chapter 6).

    Attributes:
        name, title: the title gives nothing away.
        model: what the practitioner wrote; where that is the fault, `truth` is another.
        q, fit: the frozen fit. `fit.trace` is thinned to at most 200 steps, ELBOs in nats.
        elbo: of q, by fresh draws, in nats.
        trace: the steps of the trace that were kept, shape (steps, 2): number, ELBO in nats.
        sees: all that the practitioner sees, with numbers from the record, and without the answer.
        fault: its name in `diagnostics.FAULTS`; None for a good fit.
        diagnosable: whether `diagnose(q, key, model, fit=fit)` can see it at all.
        diagnostic: the name of the function in `vi_lab.diagnostics` that shows the fault best.
        perfect: whether the ELBO looks perfect: converged, little noise, nothing to remark.
        faults: what `diagnose` said when the record was made.
        pareto_k: k̂ of q, as the record has it.
        explanation, cure: what happened, and what helps.
        reference: moments of the true posterior, with their source.
        truth: the model that should have been written, mostly `model` itself.
    """

    name: str
    title: str
    model: Model
    q: Family
    fit: Fit
    elbo: Estimate
    trace: Float[Array, "steps 2"]
    sees: str
    fault: str | None
    diagnosable: bool
    diagnostic: str
    perfect: bool
    faults: tuple[str, ...]
    pareto_k: float
    explanation: str
    cure: str
    reference: Reference
    truth: Model


@cache
def records() -> Mapping[str, Any]:
    """What `python -m vi_lab.museum.freeze` wrote: by name, numbers alone."""
    return json.loads(files(__package__).joinpath("frozen.json").read_text(encoding="utf8"))


def pack(q: Family) -> list[Any]:
    """The parameters of q, leaf by leaf, as lists."""
    return [np.asarray(leaf, dtype=float).tolist() for leaf in jax.tree.leaves(q)]


def unpack(start: Family, leaves: list[Any]) -> Family:
    """The inverse of `pack`: `start` knows the family and the shapes."""
    shapes, structure = jax.tree.flatten(start)
    return jax.tree.unflatten(structure, [jnp.asarray(new, old.dtype) for new, old in zip(leaves, shapes, strict=True)])


def open_case(name: str, case: Case) -> Exhibit:
    """A case and its record, put together."""
    record = records()[name]
    q = unpack(case.start(), record["q"])
    model = case.model()
    truth = case.truth() if case.truth else model
    trace = np.array(record["trace"])
    elbo = estimate_of(record)
    reference = record["reference"]
    exact = truth.posterior if hasattr(truth.posterior, "sample") else None
    return Exhibit(
        name=name,
        title=case.title,
        model=model,
        q=q,
        fit=Fit(q, elbo, trace[:, 1], record["converged"], record["reason"]),
        elbo=elbo,
        trace=trace,
        sees=sees(case.story, record, trace),
        fault=case.fault,
        diagnosable=case.diagnosable,
        diagnostic=case.diagnostic,
        perfect=case.perfect,
        faults=tuple(record["faults"]),
        pareto_k=float(record["pareto_k"]),
        explanation=case.explanation,
        cure=case.cure,
        reference=Reference(np.array(reference["mean"]), np.array(reference["std"]), reference["source"], exact),
        truth=truth,
    )


def estimate_of(record: Mapping[str, Any]) -> Estimate:
    """The final ELBO; JSON has no infinity, so that numbers which are not finite are kept as words."""
    value, std_error = map(float, record["elbo"])
    return Estimate(value, std_error if np.isfinite(value) else np.inf)


def sees(story: str, record: Mapping[str, Any], trace: np.ndarray) -> str:
    """The story, then the numbers that any fit shows, four lines at most."""
    elbo = estimate_of(record)
    final = f"{elbo.value:.3f} ± {elbo.std_error:.2g}" if np.isfinite(elbo.value) else f"{elbo.value:.3f}"
    reason = record["reason"].rstrip(".")
    places = np.linspace(0, len(trace) - 1, 6).astype(int)
    steps = ", ".join(f"{trace[i, 1]:.5g} (step {trace[i, 0]:.0f})" for i in places)
    means, stds = (", ".join(f"{x:.3g}" for x in record[part][:4]) for part in ("mean", "std"))
    more = ", ..." if len(record["mean"]) > 4 else ""
    return "\n".join(
        [
            story,
            f"ELBO along the way, in nats: {steps}.",
            f"Final ELBO, fresh draws: {final}. {reason[0].upper()}{reason[1:]}.",
            f"Means of q: {means}{more}. Standard deviations: {stds}{more}. Pareto k̂: {float(record['pareto_k']):.2f}.",
        ]
    )
