"""Base draws: standard normals that are independent, in opposite pairs, or spread evenly (chapter 6).

Each is a function `(key, num_samples, noise_dim) -> (num_samples, noise_dim)`, and whatever draws from a family takes
it as `noise=`. Every single row is exactly N(0, I), whichever is chosen, so that a mean over draws keeps its
expectation; what changes is how the rows hang together, and with that the variance of the mean. A standard error made
of the draws' own spread presumes that they are independent.
"""

from collections.abc import Callable
from functools import lru_cache
from math import ceil, log2

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check

Noise = Callable[[Key[Array, ""], int, int], Float[Array, "num_samples noise_dim"]]

BITS = 30  # of a coordinate of SciPy's Sobol points
MAX_DIM = 21201  # for which SciPy holds direction numbers


def iid(key: Key[Array, ""], num_samples: int, noise_dim: int) -> Float[Array, "num_samples noise_dim"]:
    """Independent standard normals. ValueError for a count below one."""
    _check_counts(num_samples, noise_dim)
    return jax.random.normal(key, (num_samples, noise_dim))


def antithetic(key: Key[Array, ""], num_samples: int, noise_dim: int) -> Float[Array, "num_samples noise_dim"]:
    """Pairs eps, -eps: what is odd in eps averages to zero, what is even is estimated as by half as many draws.

    Raises:
        ValueError: an odd `num_samples`, a count below one.

    Source: Hammersley and Morton (1956).
    """
    _check_counts(num_samples, noise_dim)
    if num_samples % 2:
        check.reject("num_samples", repr(num_samples), "an even number: antithetic draws come in pairs")
    half = jax.random.normal(key, (num_samples // 2, noise_dim))
    return jnp.concatenate([half, -half])


def sobol(key: Key[Array, ""], num_samples: int, noise_dim: int) -> Float[Array, "num_samples noise_dim"]:
    """Scrambled Sobol points through the normal quantile function: randomized quasi-Monte Carlo.

    The variance of a mean of smooth functions falls almost as num_samples^-3, that of independent draws as
    num_samples^-1; best where `num_samples` is a power of two. The digits of each coordinate of SciPy's points are
    scrambled by a random matrix and a random shift, both from `key`, so that all of it traces.

    Raises:
        ValueError: a count below one, more than 21,201 dimensions.

    Source: Matoušek (1998) and Owen (2003) for the scramble and its variance; Buchholz, Wenzel and Mandt (2018) for
    its use in variational inference.
    """
    _check_counts(num_samples, noise_dim)
    if noise_dim > MAX_DIM:
        check.reject("noise_dim", repr(noise_dim), f"at most {MAX_DIM} dimensions for sobol")
    matrix_key, shift_key = jax.random.split(key)
    columns = _scrambling_columns(matrix_key, noise_dim)
    digits = jnp.asarray(_sobol_digits(num_samples, noise_dim))
    scrambled = jax.random.bits(shift_key, (noise_dim,), jnp.uint32) >> (32 - BITS)
    for bit in range(BITS):
        scrambled = scrambled ^ jnp.where(digits >> bit & 1, columns[:, bit], 0).astype(jnp.uint32)
    dtype = jnp.result_type(float)
    kept = min(BITS, jnp.finfo(dtype).nmant)  # what a float of [1/2, 1) tells apart: none may round to 1
    uniform = ((scrambled >> (BITS - kept)).astype(dtype) + 0.5) * 2.0**-kept
    return ndtri(uniform)


def _scrambling_columns(key: Key[Array, ""], noise_dim: int) -> Array:
    """For each coordinate and digit, which digits of the scrambled point it flips: itself and, by chance, later ones.

    Column `bit` of a random lower triangular matrix of zeros and ones with ones on its diagonal, as an integer.
    """
    itself = jnp.uint32(1) << jnp.arange(BITS, dtype=jnp.uint32)
    chance = jax.random.bits(key, (noise_dim, BITS), jnp.uint32)
    return itself | (chance & (itself - 1))  # digits of lower significance stand below


@lru_cache(maxsize=16)  # megabytes each, where there are many dimensions
def _sobol_digits(num_samples: int, noise_dim: int) -> np.ndarray:
    from scipy.stats import qmc  # costs as long to import as all of vi_lab

    points = qmc.Sobol(noise_dim, scramble=False, bits=BITS).random_base2(ceil(log2(num_samples)))
    return (points[:num_samples] * 2**BITS).astype(np.uint32)


def _check_counts(num_samples: int, noise_dim: int) -> None:
    check.check_count("num_samples", num_samples)
    check.check_count("noise_dim", noise_dim)
