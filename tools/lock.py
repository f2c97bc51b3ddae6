"""Write requirements.txt, the one lock, from pyproject.toml; `make lock UPGRADE=1` takes newer versions."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# The one lock: local runs, CI and Binder install this file and nothing else.
# `make lock` writes it from pyproject.toml; the markers make it fit Python 3.11 and newer.
"""
LOCK = ROOT / "requirements.txt"
GROUPS = ("course", "test")


def main() -> int:
    command = [ROOT / ".venv/bin/uv", "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.11"]
    command += [f"--group={group}" for group in GROUPS]
    command += ["--no-header", "--no-emit-index-url", "--no-emit-find-links"]
    command += ["--upgrade"] if os.environ.get("UPGRADE") else []
    settings = {"UV_NATIVE_TLS": "1"} | dict(os.environ)
    status = subprocess.run([*command, "--quiet", "-o", LOCK], cwd=ROOT, env=settings).returncode
    if status == 0:
        LOCK.write_text(HEADER + LOCK.read_text(encoding="utf8").removeprefix(HEADER) + "-e .\n", encoding="utf8")
    return status


if __name__ == "__main__":
    sys.exit(main())
