"""Oracles of chapter 1 in NumPy and SciPy: letters counted anew, and the definition by adaptive quadrature."""

from importlib.resources import files

import jax.numpy as jnp
import numpy as np
from scipy import integrate

# The terms as the page defines them: functions of log r that JAX can differentiate.
TERMS = {"k1": lambda log_r: -log_r, "k2": lambda log_r: log_r**2 / 2, "k3": lambda log_r: jnp.expm1(log_r) - log_r}
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
PLAIN = str.maketrans({"à": "a", "â": "a", "ç": "c", "é": "e", "è": "e", "ê": "e", "ë": "e", "î": "i", "ï": "i"})
PLAIN |= str.maketrans({"ô": "o", "ù": "u", "û": "u", "œ": "oe"})


def letters(language):
    """Counts made one character at a time, with a hand-written table of accents."""
    text = files("vi_lab.data").joinpath(f"udhr_{language}.txt").read_text(encoding="utf8").lower().translate(PLAIN)
    unknown = {c for c in text if c.isalpha() and c not in ALPHABET}
    assert not unknown, f"letters that the table of accents does not know: {unknown}"
    return np.array([sum(c == letter for c in text) for letter in ALPHABET])


FRENCH, ENGLISH = letters("french"), letters("english")
Q, P = ((counts + 1) / (counts.sum() + 26) for counts in (FRENCH, ENGLISH))
VOWEL = np.isin(list(ALPHABET), list("aeiouy"))


def integral(q, p):
    """KL(q || p) of two SciPy distributions by adaptive quadrature of its definition."""
    low, high = q.ppf(1e-16), q.isf(1e-16)

    def tax(z):
        return q.pdf(z) * (q.logpdf(z) - p.logpdf(z))

    return integrate.quad(tax, low, high, points=[q.mean()], epsabs=1e-12, limit=300)[0]


def gaussian_kl(mean_q, cov_q, mean_p, cov_p):
    """The textbook formula with inverses and determinants, which vi_lab does not use."""
    precision, gap = np.linalg.inv(cov_p), np.subtract(mean_p, mean_q)
    log_dets = np.linalg.slogdet(cov_p)[1] - np.linalg.slogdet(cov_q)[1]
    return (np.trace(precision @ cov_q) + gap @ precision @ gap - len(gap) + log_dets) / 2
