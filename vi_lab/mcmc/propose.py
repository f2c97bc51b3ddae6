"""q as the proposal of a Markov chain: independence Metropolis (chapter 7)."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from vi_lab import _checks as check
from vi_lab._checks import LogJoint
from vi_lab.families import Family
from vi_lab.mcmc.chains import Chains

CANDIDATES = 64  # for a chain's first state: draws of q, of which the first with density is taken


def propose(
    q: Family, key: Key[Array, ""], log_joint: LogJoint, *, num_chains: int = 4, num_samples: int = 1000
) -> Chains:
    """Independence Metropolis: draws z' of q, accepted with probability min(1, w(z') / w(z)), w = p(z, x) / q(z).

    Its stationary distribution is the posterior, whatever q is, but how soon it gets there is set by the largest weight
    w: where log w (nats) is unbounded, as in a tail that q lacks, a chain that once lands there stays for longer than
    any run, and no such bound as a geometric one exists. A reverse-KL q is such a proposal; mend its tails first
    (chapter 7). No gradients are used: a transition costs one log density.

    Raises:
        ValueError: a count below one; log weights that are NaN or +inf; 64 draws of q for a chain's first state without
            one where log_joint is above -inf.

    Source: Tierney (1994); Mengersen and Tweedie (1996), theorem 2.1, for the bound.
    """
    check.check_family(q)
    check.check_count("num_chains", num_chains)
    check.check_count("num_samples", num_samples)
    log_joint = check.as_pytree(log_joint)
    sizes = {"num_chains": num_chains, "num_samples": num_samples}
    chains, num_bad, started = _run(q, key, log_joint, **sizes)
    if check.is_concrete(num_bad) and num_bad:
        check.reject("log_joint", f"NaN or +inf at {num_bad} draws of q", "numbers or -inf")
    if check.is_concrete(started) and not started.all():
        check.reject("q", f"{CANDIDATES} draws of which none has density", "a q with mass where the model has some")
    return chains


@partial(jax.jit, static_argnames=("num_chains", "num_samples"))
def _run(q: Family, key: Array, log_joint: LogJoint, *, num_chains: int, num_samples: int) -> tuple:
    """The chains, how many log weights are NaN or +inf, and which chains found a state to start from."""
    draws_key, accept_key = jax.random.split(key)
    length = CANDIDATES + num_samples
    z = q.sample(draws_key, num_chains * length)
    log_p = check.evaluate(log_joint, z)
    log_w = (log_p - q.log_prob(z)).reshape(num_chains, length)
    z, log_p = z.reshape(num_chains, length, -1), log_p.reshape(num_chains, length)
    first = jnp.argmax(log_w[:, :CANDIDATES] > -jnp.inf, axis=1)
    uniforms = jax.random.uniform(accept_key, (num_chains, num_samples), log_w.dtype)

    def chain(first: Array, log_w: Array, uniforms: Array) -> tuple[Array, Array]:
        """Where along its proposals a chain stands after each of them, and the probabilities of moving on."""

        def one(at: Array, proposal: tuple) -> tuple:
            index, uniform = proposal
            rate = jnp.exp(jnp.minimum(0.0, log_w[index] - log_w[at]))
            at = jnp.where(uniform < rate, index, at)
            return at, (at, rate)

        return jax.lax.scan(one, first, (jnp.arange(CANDIDATES, length), uniforms))[1]

    states, rates = jax.vmap(chain)(first, log_w, uniforms)
    chains = Chains(
        draws=jnp.take_along_axis(z, states[..., None], axis=1),
        log_joint=jnp.take_along_axis(log_p, states, axis=1),
        acceptance=rates,
        diverging=jnp.zeros_like(rates, bool),
        num_gradients=jnp.zeros_like(rates, int),
        warmup_gradients=jnp.zeros(num_chains, int),
    )
    started = jnp.take_along_axis(log_w, first[:, None], axis=1) > -jnp.inf
    return chains, jnp.sum(~(log_w < jnp.inf)), started
