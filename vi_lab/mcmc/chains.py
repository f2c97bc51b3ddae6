"""`Chains`: the draws of several chains, what each transition said of itself, and ArviZ's judgment (chapter 7)."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from vi_lab import _checks as check

LONGEST_TRAJECTORY = 1023  # of NUTS in BlackJAX: ten doublings
FEWEST_DRAWS = 4  # of a chain, for ArviZ to split it and rank its draws


class Chains(NamedTuple):
    """Several chains of equal length.

    Attributes:
        draws: shape (num_chains, num_samples, dim).
        log_joint: log p(z, x) at each draw, in nats, shape (num_chains, num_samples), as are the next three.
        acceptance: the probability with which each transition's proposals were accepted; NUTS: the mean along its path.
        diverging: whether the energy was lost by more than 1,000 nats: the step is too large for what curves there.
        num_gradients: gradients of log_joint that each transition took.
        warmup_gradients: those of each chain before its first kept draw, shape (num_chains,).
        step_size: of each chain, shape (num_chains,); None where there is none.
        inverse_mass_matrix: shape (dim, dim) or (dim,); with a first axis of chains where each adapted its own.
        cut_off: of NUTS, whether a trajectory was as long as they get, 1,023 steps; None of kernels whose trajectories
            are as long as they were told to be. Shape (num_chains, num_samples).
    """

    draws: Float[Array, "num_chains num_samples dim"]
    log_joint: Float[Array, "num_chains num_samples"]
    acceptance: Float[Array, "num_chains num_samples"]
    diverging: Bool[Array, "num_chains num_samples"]
    num_gradients: Int[Array, "num_chains num_samples"]
    warmup_gradients: Int[Array, " num_chains"]
    step_size: Float[Array, " num_chains"] | None = None
    inverse_mass_matrix: Array | None = None
    cut_off: Bool[Array, "num_chains num_samples"] | None = None

    @property
    def num_divergences(self) -> int:
        return int(np.sum(self.diverging))

    @property
    def total_gradients(self) -> int:
        """Gradients of all chains, warmup included."""
        return int(np.sum(self.num_gradients) + np.sum(self.warmup_gradients))

    @property
    def notes(self) -> tuple[str, ...]:
        """What went wrong, a sentence each; empty where nothing is seen to have."""
        total, notes = self.diverging.size, []
        if self.num_divergences:
            notes.append(
                f"{self.num_divergences} of {total} transitions diverged: the chains avoid a region where the log "
                "joint curves too sharply for the step size; try other coordinates or a higher target_acceptance."
            )
        stuck = [int(i) for i in np.flatnonzero(_constant(self.draws).all(axis=1))]
        if stuck and self.draws.shape[1] > 1:  # of a single draw nobody knows
            notes.append(f"Chains {stuck} never moved: no proposal of theirs was accepted.")
        cut_off = 0 if self.cut_off is None else int(np.sum(self.cut_off))
        if cut_off:
            notes.append(
                f"{cut_off} of {total} trajectories took {LONGEST_TRAJECTORY} steps or more without turning around: "
                "the metric does not fit the posterior's scales."
            )
        return tuple(notes)

    def rhat(self) -> Float[np.ndarray, " dim"]:
        """Split R-hat of each coordinate on ranks, the larger of bulk and tails: 1 where chains agree (chapter 7).

        It compares chains with one another and not with the posterior: what none of them visits, it cannot see. Believe
        it only if the chains started from places spread wider than the posterior.

        Raises:
            ValueError: a single chain, fewer than 4 draws a chain, draws that are not finite; a coordinate in which no
                chain ever moved: R-hat is undefined there.

        Source: Vehtari et al. (2021), by ArviZ.
        """
        self._check_moved()
        return self._by_arviz("rhat", "rank")

    def ess(self, kind: str = "bulk") -> Float[np.ndarray, " dim"]:
        """Effective number of independent draws of each coordinate, all chains together (chapter 7).

        Args:
            kind: "bulk" (on ranks), "tail" (of the 5% and 95% quantiles, the smaller), "mean" (for the Monte Carlo
                error of the mean: sd / sqrt(ess)).

        Raises:
            ValueError: see `rhat`, but a single chain will do; an unknown kind.
        """
        check.check_option("kind", kind, ("bulk", "tail", "mean"))
        self._check_moved(num_chains=1)
        return self._by_arviz("ess", kind)

    def iterations_to(self, rhat: float = 1.01, *, every: int = 10) -> int | None:
        """After how many iterations R-hat of every coordinate is below `rhat` for the first time; None if it never is.

        Looked at each `every` iterations, on the second half of the draws so far, as if the chains had been stopped
        there and their first half dropped as burn-in (chapter 7). Even of independent draws R-hat exceeds 1.01 by
        chance until there are some 200 in all, so that a short answer says that the chains forgot their start, and not
        that they have drawn enough. Ask it of chains whose warmup hides nothing: `num_warmup=0`.

        Raises:
            ValueError: a threshold not above 1, an `every` below one, a single chain, fewer than 8 draws a chain, draws
                that are not finite.
        """
        if not check.check_number("rhat", rhat) > 1:
            check.reject("rhat", repr(rhat), "a number above 1")
        check.check_count("every", every)
        self._check_size(num_samples=2 * FEWEST_DRAWS)
        draws = np.asarray(self.draws, dtype=float)
        for length in range(max(every, 2 * FEWEST_DRAWS), draws.shape[1] + 1, every):
            window = draws[:, length // 2 : length]
            with np.errstate(invalid="ignore"):  # while no chain has moved R-hat is NaN, and not below anything
                if all(_arviz().rhat(window[:, :, i]) < rhat for i in range(draws.shape[-1])):
                    return length
        return None

    def to_inference_data(self, constrain: Callable[[Array], dict[str, Any]] | None = None) -> Any:
        """An `arviz.InferenceData`: `posterior` holds z, or the quantities that `constrain` names; and `sample_stats`.

        Args:
            constrain: z -> a dictionary of named quantities, such as a model's `constrain`.

        Raises:
            ValueError: a `constrain` that returns no dictionary.
        """
        stats = {
            "lp": self.log_joint,
            "acceptance_rate": self.acceptance,
            "diverging": self.diverging,
            "n_steps": self.num_gradients,
        }
        return to_inference_data(self.draws, constrain, stats)

    def summary(self, constrain: Callable[[Array], dict[str, Any]] | None = None) -> Any:
        """ArviZ's table, a row a quantity: mean, sd, interval, Monte Carlo errors, ESS and R-hat.

        Raises:
            ValueError: see `rhat` and `to_inference_data`.
        """
        self._check_moved()
        return _arviz().summary(self.to_inference_data(constrain))

    def __repr__(self) -> str:
        chains, count, dim = self.draws.shape
        text = f"Chains: {chains} chains of {count} draws in {dim} dimensions, {self.total_gradients} gradients"
        return "\n".join([text, f"mean acceptance {np.mean(self.acceptance):.3f}", *self.notes])

    def _check_size(self, num_samples: int, num_chains: int = 2) -> None:
        check.check_finite("draws", self.draws)
        if len(self.draws) < num_chains:
            check.reject("draws", f"{len(self.draws)} chain", f"at least {num_chains} for R-hat to compare")
        if self.draws.shape[1] < num_samples:
            check.reject("draws", f"{self.draws.shape[1]} a chain", f"at least {num_samples}")

    def _check_moved(self, num_chains: int = 2) -> None:
        self._check_size(FEWEST_DRAWS, num_chains)
        constant = _constant(self.draws).all(axis=0)
        if constant.any():
            got = f"no chain that ever moved in coordinates {[int(i) for i in np.flatnonzero(constant)][:5]}"
            check.reject("draws", got, "chains that move: of constant ones R-hat and ESS are undefined")

    def _by_arviz(self, name: str, method: str) -> np.ndarray:
        function = getattr(_arviz(), name)
        draws = np.asarray(self.draws, dtype=float)
        return np.array([function(draws[:, :, i], method=method) for i in range(draws.shape[-1])])


def _arviz() -> Any:
    """The module: imported where it is used, since it costs more to import than all of vi_lab."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it announces its next version to whoever imports it
        import arviz
    return arviz


def _constant(draws: Array) -> np.ndarray:
    """Which chains never moved in which coordinate: shape (num_chains, dim)."""
    draws = np.asarray(draws)
    return (draws == draws[:, :1]).all(axis=1)


def to_inference_data(draws: Array, constrain: Callable | None, stats: dict[str, Array] | None = None) -> Any:
    """Draws of shape (chains, n, dim) as an `arviz.InferenceData`."""
    posterior = {"z": draws} if constrain is None else jax.vmap(jax.vmap(constrain))(draws)
    if not isinstance(posterior, dict):
        got = f"a function that returns a {type(posterior).__name__}"
        check.reject("constrain", got, "one that returns a dictionary")
    as_numpy = {name: np.asarray(value) for name, value in posterior.items()}
    stats = {name: np.asarray(value) for name, value in (stats or {}).items()}
    return _arviz().from_dict(posterior=as_numpy, sample_stats=stats or None)
