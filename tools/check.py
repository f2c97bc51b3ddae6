"""Everything that must hold, one step after the other: `python tools/check.py`; with `keys`, chance under many keys."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARALLEL = ["-n", "logical", "--maxprocesses", "8", "--dist", "loadfile"]
STEPS = {
    "style": ["-m", "ruff", "check", "."],
    "format": ["-m", "ruff", "format", "--check", "."],
    "book": ["tools/book.py"],
    "notebooks": ["tools/notebooks.py", "check"],
    "exercises": ["tools/exercises.py", "check"],
    "tests": ["-m", "pytest", "-q", *PARALLEL, "tests"],
    # Strict: every text output of every chapter, run anew in its own kernel.
    "nbval": ["-m", "pytest", "-q", *PARALLEL, "--nbval", "--nbval-current-env", "notebooks"],
}
KEYS = {"keys": ["-m", "pytest", "-q", *PARALLEL, "-m", "stochastic", "--num-keys", "20", "tests"]}
SOURCES = ("tools", "_ext", "vi_lab", "tests", "chapters", "exercises", "benchmarks")


def untracked(root: Path = ROOT) -> list[str]:
    """Sources that this copy alone has: what passes here fails for everybody else until they are added to git."""
    command = ["git", "-C", str(root), "ls-files", "--others", "--exclude-standard", *SOURCES]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    except OSError:
        return []


def main(steps: dict[str, list[str]]) -> int:
    if alone := untracked():
        print(f"check: not in git, so only this copy has them: {', '.join(alone)}")
    environment = {"JAX_PLATFORMS": "cpu"} | dict(os.environ)
    outcome = {}
    for name, arguments in steps.items():
        print(f"\n=== {name}: python {' '.join(arguments)}", flush=True)
        start = time.monotonic()
        status = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment).returncode
        outcome[name] = (status, time.monotonic() - start)
    print("\n=== outcome")
    for name, (status, seconds) in outcome.items():
        print(f"{'passed' if status == 0 else 'FAILED':8}{name:12}{seconds:6.0f} s")
    return int(any(status for status, _ in outcome.values()))


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["keys"]):
        sys.exit("usage: python tools/check.py [keys]")
    sys.exit(main(KEYS if sys.argv[1:] else STEPS))
