"""What every public function checks, and how it says so: the argument, what it got, what it needs."""

import numbers
from collections.abc import Callable
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

LogJoint = Callable[[Float[Array, " dim"]], Float[Array, ""]]  # log p(z, x) of one point z


def reject(argument: str, got: object, needs: str) -> NoReturn:
    raise ValueError(f"{argument}: got {got}, needs {needs}")


def is_concrete(*values: Any) -> bool:
    """False while JAX traces: values are then unknown and only shapes can be checked."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values))


def as_floats(*values: Any) -> tuple[Array, ...]:
    """Arrays of one common floating dtype; integers become JAX's default float."""
    arrays = [jnp.asarray(value) for value in values]
    return tuple(array.astype(jnp.result_type(float, *arrays)) for array in arrays)


def as_pytree(log_joint: Callable) -> Callable:
    """A plain function becomes a `Partial` without arguments: one treatment for both, no data compiled in.

    ValueError for what cannot be called: JAX, to which it goes next, would name none of the caller's arguments.
    """
    check_log_joint(log_joint)
    if not jax.tree_util.all_leaves([log_joint]):
        return log_joint
    return jax.tree_util.Partial(log_joint)


def check_finite(argument: str, value: Array) -> None:
    if is_concrete(value) and not np.isfinite(value).all():  # NumPy: under jit, jnp would stage even this
        reject(argument, "a value that is NaN or infinite", "finite numbers")


def check_not_nan(argument: str, value: Array) -> None:
    """Infinity is an answer; NaN is not."""
    if is_concrete(value) and bool(jnp.any(jnp.isnan(value))):
        reject(argument, "a log density that is NaN", "log densities that are numbers or -inf")


def check_positive(argument: str, value: Array) -> None:
    if is_concrete(value) and not np.all((np.asarray(value) > 0) & np.isfinite(value)):
        reject(argument, f"a smallest value of {np.min(value):g}", "finite numbers above zero")


def check_vector(argument: str, value: Array) -> None:
    if value.ndim != 1 or value.size == 0:
        reject(argument, f"shape {value.shape}", "shape (dim,) with dim at least 1")


def check_scalar(argument: str, value: Array) -> None:
    if value.ndim:
        reject(argument, f"shape {value.shape}", "a single number")


def check_shape(argument: str, value: Array, shape: tuple[int, ...]) -> None:
    if value.shape != shape:
        reject(argument, f"shape {value.shape}", f"shape {shape}")


def check_points(argument: str, value: Array, dim: int) -> None:
    if value.ndim == 0 or value.shape[-1] != dim:
        reject(argument, f"shape {value.shape}", f"shape (..., {dim})")


def check_draws(argument: str, z: Array) -> None:
    if z.ndim != 2 or z.size == 0:
        reject(argument, f"shape {z.shape}", "draws of shape (n, dim)")
    check_finite(argument, z)


def check_weights(weights: Array, count: int) -> None:
    """One for each of `count` draws, non-negative, with sum one."""
    check_shape("weights", weights, (count,))
    if not is_concrete(weights):
        return
    if not np.min(weights) >= 0:
        reject("weights", f"a smallest value of {np.min(weights):g}", "non-negative numbers")
    if not abs(float(np.sum(weights)) - 1) < 1e-4:
        reject("weights", f"a sum of {np.sum(weights):g}", "weights that sum to one")


def check_design(x: Array, y: Array) -> None:
    """A design matrix x of shape (n, dim) and one finite response y for each of its rows."""
    if x.ndim != 2 or x.size == 0:
        reject("x", f"shape {x.shape}", "a design matrix of shape (n, dim)")
    check_shape("y", y, x.shape[:1])
    check_finite("x", x)
    check_finite("y", y)


def check_binary(argument: str, value: Array) -> None:
    if is_concrete(value) and not np.isin(value, (0, 1)).all():
        reject(argument, f"values {np.unique(value)[:5].tolist()}", "the values 0 and 1 alone")


def check_fraction(argument: str, value: Array) -> None:
    check_scalar(argument, value)
    if is_concrete(value) and not 0 < float(value) < 1:
        reject(argument, f"{float(value):g}", "a number between 0 and 1, both excluded")


def check_scales(**scales: Array) -> None:
    """Standard deviations by name: single numbers, finite and above zero."""
    for name, scale in scales.items():
        check_scalar(name, scale)
        check_positive(name, scale)


def check_cov(argument: str, cov: Array) -> None:
    """Symmetric and positive definite: whether a Cholesky of a singular matrix fails is up to rounding."""
    if not is_concrete(cov):
        return
    cov = np.asarray(cov)
    if not np.allclose(cov, cov.T, atol=1e-6 * np.max(np.abs(cov))):
        reject(argument, "a matrix that differs from its transpose", "a symmetric one")
    std = np.sqrt(np.where(np.diag(cov) > 0, np.diag(cov), 1))
    smallest = np.linalg.eigvalsh(cov / std / std[:, None])[0]  # of the correlations: free of the coordinates' units
    if not smallest > 4 * len(cov) * np.finfo(cov.dtype).eps:
        got = f"smallest eigenvalue {np.linalg.eigvalsh(cov)[0]:g}"
        reject(argument, got, "a matrix that is positive definite beyond rounding")


def check_same_dim(q: Any, p: Any) -> None:
    if q.dim != p.dim:
        reject("p", f"dim {p.dim}", f"dim {q.dim}, that of q")


def check_count(argument: str, value: int, least: int = 1) -> None:
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        reject(argument, repr(value), f"a whole number of at least {least}")


def check_number(argument: str, value: Any) -> float:
    """The number itself, also out of an array without axes, whose dtype would else spread to the result."""
    if isinstance(value, jax.core.Tracer):
        reject(argument, "a value that JAX traces", "a finite number, known at compile time: float(...) of it")
    if getattr(value, "ndim", None) == 0:
        value = value.item()
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not np.isfinite(value):
        reject(argument, repr(value), "a finite number")
    return value


def check_option(argument: str, value: object, options: Any) -> None:
    if value not in list(options):  # by ==, so that what has no hash is named too
        reject(argument, repr(value), "one of " + ", ".join(map(repr, options)))


def check_family(q: Any) -> None:
    if not (hasattr(q, "sample") and hasattr(q, "log_prob")):
        reject("q", f"a {type(q).__name__}", "a distribution, such as MeanField.standard(dim)")


def check_log_joint(log_joint: Any) -> None:
    if not callable(log_joint):
        hint = "; a Model has one, its .log_joint" if hasattr(log_joint, "log_joint") else ""
        reject("log_joint", f"a {type(log_joint).__name__}", f"a function of one point z of shape (dim,){hint}")


def check_noise(noise: Any) -> None:
    if not callable(noise):
        needs = "draws.iid, draws.antithetic, draws.sobol or another (key, num_samples, noise_dim) -> normals"
        reject("noise", repr(noise), needs)


def evaluate(log_joint: LogJoint, z: Float[Array, "n dim"]) -> Float[Array, " n"]:
    """The log joint of every row: it is written for one point and mapped here."""
    check_log_joint(log_joint)
    shape = jax.eval_shape(log_joint, jax.ShapeDtypeStruct(z.shape[1:], z.dtype))
    if getattr(shape, "shape", None) != ():
        got = getattr(shape, "shape", type(shape).__name__)
        reject("log_joint", f"a result of shape {got}", f"a scalar for one point z of shape {z.shape[1:]}")
    return jax.vmap(log_joint)(z)
