"""What every test shares: 64-bit arithmetic, as in the chapters, and keys to draw under."""

import os

# Before JAX is imported: numbers are those of a CPU, here as in the book.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import pytest

jax.config.update("jax_enable_x64", True)


def pytest_addoption(parser):
    parser.addoption(
        "--num-keys", type=int, default=1, metavar="N", help="run every stochastic test under N different keys"
    )


def pytest_generate_tests(metafunc):
    """A test that asks for `key` is stochastic, and runs once under each key."""
    if "key" in metafunc.fixturenames:
        seeds = range(metafunc.config.getoption("--num-keys"))
        marked = [pytest.param(seed, marks=pytest.mark.stochastic, id=f"key{seed}") for seed in seeds]
        metafunc.parametrize("key", marked, indirect=True)


@pytest.fixture
def key(request):
    return jax.random.key(request.param)
