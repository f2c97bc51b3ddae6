"""Tests of Monte Carlo results: how many standard errors a sample's mean, or its variance, lies from what it
should be.

At the limit of 5 a right answer fails by chance once in 1.7 million tests of a normal statistic (6e-7).
"""

import numpy as np

LIMIT = 5.0


def assert_mean(samples, expected, what: str = "mean") -> None:
    """The mean of independent samples (first axis) is `expected`; works coordinate by coordinate."""
    samples = np.asarray(samples, dtype=float)
    std_error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    _assert_close(samples.mean(axis=0), expected, std_error, what)


def assert_variance(samples, expected, what: str = "variance") -> None:
    """The variance of independent samples (first axis) is `expected`; its error comes from their fourth
    moment.
    """
    samples = np.asarray(samples, dtype=float)
    squares = (samples - samples.mean(axis=0)) ** 2
    std_error = squares.std(axis=0, ddof=1) / np.sqrt(len(samples))
    _assert_close(squares.mean(axis=0) * len(samples) / (len(samples) - 1), expected, std_error, what)


def _assert_close(value, expected, std_error, what: str) -> None:
    z = (value - np.asarray(expected, dtype=float)) / np.maximum(std_error, 1e-12)
    assert np.all(np.abs(z) < LIMIT), f"{what}: got {value}, expected {expected}, {z} standard errors apart"
