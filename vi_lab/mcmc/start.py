"""What a fit gives a sampler before its first step: places to start from, and a metric (chapter 7)."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from vi_lab import _checks as check
from vi_lab.families import Family


def warm_start(q: Family, key: Key[Array, ""], num_chains: int) -> Float[Array, "num_chains dim"]:
    """Starting positions for chains: independent draws of q, shape (num_chains, dim) (chapter 7).

    They save burn-in, not judgment. R-hat tells that chains disagree, and chains that all start in the one mode that q
    found agree with one another: only starts spread wider than the posterior make R-hat a test of having found it all.
    No nats here: draws are in the units of z.

    Raises:
        ValueError: q that is no distribution, a count below one.
    """
    check.check_family(q)
    check.check_count("num_chains", num_chains)
    return q.sample(key, num_chains)


def inverse_mass_matrix(q: Family, dense: bool = True) -> Float[Array, "dim dim"] | Float[Array, " dim"]:
    """HMC's *inverse* mass matrix M^-1 = Cov_q[z], shape (dim, dim); if not `dense` its diagonal, shape (dim,).

    The kinetic energy p^T M^-1 p / 2 (nats) moves z at the speed M^-1 p. For a Gaussian posterior and M^-1 = Cov[z] the
    motion is that in a standard normal: one step size fits all directions (chapter 7). The *mass* matrix is the inverse
    of the covariance; handing that over instead squares the condition number.

    Raises:
        ValueError: q that is no distribution, `dense` that is neither True nor False, a covariance that is not
            positive definite.
        NotImplementedError: a family whose covariance has no closed form; the message names the Monte Carlo way.

    Source: Neal (2011), MCMC using Hamiltonian dynamics, section 5.4.1.
    """
    check.check_family(q)
    check.check_option("dense", dense, (True, False))
    cov = q.cov()
    if dense:
        check.check_cov("q's covariance", cov)
        return cov
    check.check_positive("q's variances", jnp.diag(cov))
    return jnp.diag(cov)
