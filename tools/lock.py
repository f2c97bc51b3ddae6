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


def main() -> int:
    lock = ROOT / "requirements.txt"
    command = [
        ROOT / ".venv/bin/uv",
        "pip",
        "compile",
        "pyproject.toml",
        "--universal",
        "--python-version",
        "3.11",
    ]
    command += [
        "--group",
        "course",
        "--group",
        "test",
        "--no-header",
        "--no-emit-index-url",
        "--no-emit-find-links",
    ]
    command += ["--upgrade"] if os.environ.get("UPGRADE") else []
    settings = {"UV_NATIVE_TLS": "1"} | dict(os.environ)
    status = subprocess.run([*command, "--quiet", "-o", lock], cwd=ROOT, env=settings).returncode
    if status == 0:
        lock.write_text(HEADER + lock.read_text().removeprefix(HEADER) + "-e .\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
