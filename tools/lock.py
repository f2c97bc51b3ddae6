"""Write the locks from pyproject.toml; `make lock UPGRADE=1` takes newer versions."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".venv/bin/uv"
HEADER = """\
# The one lock: local runs, CI and Binder install this file and nothing else.
# `make lock` writes it from pyproject.toml; the markers make it fit Python 3.11 and newer.
"""
LOCK = ROOT / "requirements.txt"
GROUPS = ("course", "test")
# What the scripts of chapters/frameworks need, at the versions of the one lock where both hold a package.
FRAMEWORKS_HEADER = """\
# Optional: PyTorch and TensorFlow Probability for chapters/frameworks. `make frameworks` installs this file, taking
# PyTorch only as a build for the CPU; what its CUDA build asks for is left out. `make lock` writes it.
"""
FRAMEWORKS_LOCK = ROOT / "requirements-frameworks.txt"
CUDA = re.compile(r"^(?:cuda|nvidia|triton)\b.*\n(?: .*\n)*", re.M)


def compile_lock(lock: Path, header: str, *asked: str) -> int:
    """Pin what is asked for, for every Python and system, keeping the lock's versions unless told to upgrade."""
    command = [UV, "pip", "compile", *asked, "--universal", "--python-version", "3.11"]
    command += ["--no-header", "--no-emit-index-url", "--no-emit-find-links"]
    command += ["--upgrade"] if os.environ.get("UPGRADE") else []
    settings = {"UV_NATIVE_TLS": "1"} | dict(os.environ)
    status = subprocess.run([*command, "--quiet", "-o", lock], cwd=ROOT, env=settings).returncode
    if status == 0:
        lock.write_text(header + lock.read_text(encoding="utf8").removeprefix(header), encoding="utf8")
    return status


def main() -> int:
    status = compile_lock(LOCK, HEADER, "pyproject.toml", *(f"--group={group}" for group in GROUPS))
    if status:
        return status
    frameworks = ("--group=pyproject.toml:frameworks", "--constraints=requirements.txt")
    status = compile_lock(FRAMEWORKS_LOCK, FRAMEWORKS_HEADER, *frameworks)
    with LOCK.open("a", encoding="utf8") as lock:
        lock.write("-e .\n")  # last, since no constraint may be editable
    if status == 0:
        FRAMEWORKS_LOCK.write_text(CUDA.sub("", FRAMEWORKS_LOCK.read_text(encoding="utf8")), encoding="utf8")
    return status


if __name__ == "__main__":
    sys.exit(main())
