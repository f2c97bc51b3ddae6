"""One model in four frameworks: each script reaches the best full-rank Gaussian, which needs no draws to be found."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from minibook import ROOT
from numpy.polynomial.hermite_e import hermegauss

import frameworks

NEEDS = {"vi_lab": "vi_lab", "torch": "torch", "tfp": "tensorflow_probability", "numpyro": "numpyro"}
SLACK = 0.02  # nats that an optimizer may leave on the table
RUN = "import json, runpy, sys; print(json.dumps(runpy.run_path(sys.argv[1])['main']()))"


@cache
def interpreter(package: str) -> str | None:
    """A Python that can import the package: this one, or the one of `make frameworks`."""
    if importlib.util.find_spec(package):
        return sys.executable
    finds = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    other = str(frameworks.PYTHON)
    there = frameworks.PYTHON.exists() and subprocess.run([other, "-c", finds], check=False).returncode == 0
    return other if there else None


@cache
def reached(name: str) -> dict:
    """What the script of this framework finds, in a process of its own; skips where the framework is absent."""
    python = interpreter(NEEDS[name])
    if python is None:
        pytest.skip(f"NOT RUN: wells_{name}.py, since {NEEDS[name]} is not installed: `make frameworks` installs it")
    command = [python, "-c", RUN, str(ROOT / f"chapters/frameworks/wells_{name}.py")]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}  # PyTorch's threads would fight the other tests for the cores
    done = subprocess.run(command, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@cache
def optimum() -> tuple[float, np.ndarray, np.ndarray]:
    """ELBO, means and standard deviations of the best Gaussian, by Gauss-Hermite and a fixed point, in NumPy.

    Under q = N(m, S) the linear predictor of each household is Gaussian, so every expectation is an integral over one
    dimension. At the optimum S^-1 = I/2.5^2 + sum E[sigma'] x x' and m/2.5^2 = sum (y - E[sigma]) x
    (Opper and Archambeau, 2009, The variational Gaussian approximation revisited).
    """
    rows = np.loadtxt(
        ROOT / "vi_lab/data/wells.csv", delimiter=",", skiprows=1
    )  # y, arsenic, distance, education, club
    y, x = rows[:, 0], rows[:, [2, 1, 3, 4]] * [0.01, 1, 0.25, 1]
    x = np.column_stack([np.ones(len(y)), x - x.mean(axis=0)])
    nodes, weights = hermegauss(40)
    weights = weights / weights.sum()
    mean, cov = np.zeros(5), 0.01 * np.eye(5)
    for _ in range(30):
        logits = (x @ mean)[:, None] + np.sqrt(np.sum(x @ cov * x, axis=1))[:, None] * nodes
        rate = 1 / (1 + np.exp(-logits))
        cov = np.linalg.inv(np.eye(5) / 6.25 + (x.T * (rate * (1 - rate) @ weights)) @ x)
        step = cov @ (x.T @ (y - rate @ weights) - mean / 6.25)
        mean = mean + step
    assert np.abs(step).max() < 1e-10
    log_likelihood = y @ x @ mean - np.sum(np.logaddexp(0, logits) @ weights)
    log_prior = -2.5 * np.log(2 * np.pi * 6.25) - (mean @ mean + np.trace(cov)) / 12.5
    entropy = np.linalg.slogdet(2 * np.pi * np.e * cov)[1] / 2
    return log_likelihood + log_prior + entropy, mean, np.sqrt(np.diag(cov))


@pytest.mark.parametrize("name", NEEDS)
def test_a_script_reaches_the_best_gaussian(name):
    """Within five standard errors and the optimizer's slack; means to 0.1 posterior deviations, deviations to 10%."""
    fit, (elbo, mean, std) = reached(name), optimum()
    assert 0 < fit["std_error"] < 0.01
    assert abs(fit["elbo"] - elbo) < 5 * fit["std_error"] + SLACK, f"{fit['elbo']:.3f}, and the optimum is {elbo:.3f}"
    assert np.abs((fit["mean"] - mean) / std).max() < 0.1
    assert np.abs(fit["std"] / std - 1).max() < 0.1


@pytest.mark.parametrize("names", list(combinations(NEEDS, 2)), ids="-".join)
def test_two_frameworks_agree(names):
    one, other = map(reached, names)
    difference, std_error = one["elbo"] - other["elbo"], np.hypot(one["std_error"], other["std_error"])
    assert abs(difference) < 5 * std_error + SLACK, f"{difference:.3f} ± {std_error:.3f} nats between {names}"


@pytest.mark.parametrize(
    ("said", "platform", "is_cpu"),
    [
        ("Would install 1 package\n + torch==2.13.0+cpu\n", "linux", True),
        ("Would install 1 package\n + torch==2.13.0\n", "linux", False),
        ("Would install 1 package\n + torch==2.13.0+cu130\n", "linux", False),
        ("Would install 1 package\n + torch==2.13.0\n", "darwin", True),
        ("error: no such package\n", "darwin", False),
    ],
)
def test_only_a_build_for_the_cpu_is_taken(said, platform, is_cpu):
    assert frameworks.is_cpu_build(said, platform) is is_cpu


def test_pytorch_is_installed_apart_from_the_others():
    pin, others = frameworks.split((ROOT / frameworks.LOCK).read_text(encoding="utf8"))
    assert pin.startswith("torch==")
    assert "\ntorch==" not in others and "\ntfp-nightly==" in others


UV = """\
#!/bin/sh
case "$*" in
  venv*) mkdir -p .venv-frameworks ;;
  *--dry-run*) echo " + torch==2.13.0" >&2 ;;
  *torch==*) echo "PyTorch installed" ;;
esac
"""


def test_where_only_cuda_is_found_the_lack_of_pytorch_is_said_and_looked_for_again(tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/uv").write_text(UV)
    (tmp_path / ".venv/bin/uv").chmod(0o755)
    for name in ("tools/env.py", "tools/frameworks.py", "pyproject.toml", frameworks.LOCK):
        shutil.copy(ROOT / name, tmp_path / name)
    command = [sys.executable, str(tmp_path / "tools/frameworks.py")]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, "PyTorch LEFT OUT" in done.stderr) == (0, True), done.stderr
        assert "PyTorch installed" not in (tmp_path / ".venv-frameworks/install.log").read_text()
        assert not (tmp_path / ".venv-frameworks/made-from").exists()


@pytest.mark.parametrize("name", NEEDS)
def test_a_script_is_short_and_asks_for_its_own_framework_alone(name):
    """A reader sees all of it in a tab, and copies it without the others."""
    source = (ROOT / f"chapters/frameworks/wells_{name}.py").read_text(encoding="utf8")
    assert len(source.splitlines()) <= 60
    others = set(NEEDS.values()) - {NEEDS[name]}
    assert not [other for other in others if f"import {other}" in source or f"from {other}" in source]
