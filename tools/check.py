"""Everything that must hold, one step after the other: what `make test` runs."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARALLEL = ["-n", "logical", "--dist", "loadfile"]
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


def main() -> int:
    environment = {"JAX_PLATFORMS": "cpu"} | dict(os.environ)
    outcome = {}
    for name, arguments in STEPS.items():
        print(f"\n=== {name}: python {' '.join(arguments)}", flush=True)
        start = time.monotonic()
        status = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment).returncode
        outcome[name] = (status, time.monotonic() - start)
    print("\n=== outcome")
    for name, (status, seconds) in outcome.items():
        print(f"{'passed' if status == 0 else 'FAILED':8}{name:12}{seconds:6.0f} s")
    return int(any(status for status, _ in outcome.values()))


if __name__ == "__main__":
    sys.exit(main())
