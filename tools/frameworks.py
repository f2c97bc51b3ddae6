"""Make `.venv-frameworks`, in which the scripts of chapters/frameworks find PyTorch and TensorFlow Probability.

On Linux the usual index serves PyTorch with gigabytes of CUDA. Only a build for the CPU is taken; where none is
found, the others are installed and the lack is said.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import env

ROOT = Path(__file__).resolve().parent.parent
LOCK = "requirements-frameworks.txt"
FOLDER = ROOT / ".venv-frameworks"
PYTHON = FOLDER / "bin/python"
UV = ROOT / ".venv/bin/uv"
# Where uv looks for PyTorch: where every package comes from, then at the place that PyTorch keeps its CPU builds.
PLACES = ([], ["--torch-backend", "cpu"])
LEFT_OUT = """\
frameworks: ******** PyTorch LEFT OUT ********
frameworks: no build of {pin} for the CPU was found for this Python, and one with CUDA takes gigabytes;
frameworks: what needs PyTorch will be skipped. The network, or PIP_FIND_LINKS to such a wheel, mends it."""


def split(lock: str) -> tuple[str, str]:
    """PyTorch's pin, and the lock without it."""
    pin = re.search(r"^torch==\S+", lock, re.M).group()
    return pin, re.sub(r"^torch==.*\n", "", lock, flags=re.M)


def is_cpu_build(said: str, platform: str = sys.platform) -> bool:
    """Whether what uv would install is built for the CPU: by its version, or on a Mac, where there is no other."""
    would = re.search(r"^ \+ torch==(\S+)", said, re.M)
    return bool(would) and (platform == "darwin" or would[1].endswith("+cpu"))


def place(install: list, pin: str, settings: dict[str, str]) -> list[str] | None:
    """The options under which uv finds PyTorch for the CPU, or None; nothing is downloaded yet."""
    for options in PLACES:
        ask = [*install, "--dry-run", "--no-deps", "--only-binary", "torch", *options, pin]
        done = subprocess.run(ask, env=os.environ | settings, capture_output=True, text=True)
        if done.returncode == 0 and is_cpu_build(done.stderr):
            return options
    return None


def fail(sentence: str) -> int:
    print(f"frameworks: {sentence}", file=sys.stderr)
    return 1


def main() -> int:
    wanted, log = env.stamp(str(ROOT), sys.version_info, LOCK), FOLDER / "install.log"
    if env.read(FOLDER / "made-from") == wanted:
        print("frameworks: .venv-frameworks is up to date")
        return 0
    print("frameworks: making .venv-frameworks (about 1.3 GB, a minute the first time)", flush=True)
    made = subprocess.run([UV, "venv", "--quiet", "--no-project", "--clear", "--python", sys.executable, FOLDER])
    if made.returncode:
        return fail("uv could not make .venv-frameworks")
    pin, others = split((ROOT / LOCK).read_text(encoding="utf8"))
    (FOLDER / "others.txt").write_text(others, encoding="utf8")
    settings = {"UV_HTTP_RETRIES": "1"} | env.uv_settings(sys.executable)
    install = [str(UV), "pip", "install", "--python", str(PYTHON)]
    if not env.run([*install, "--no-deps", "-r", str(FOLDER / "others.txt")], str(log), settings):
        return fail(env.reason(env.read(log), log))
    options = place(install, pin, settings)
    if options is None or not env.run([*install, "--no-deps", *options, pin], str(log), settings):
        print(LEFT_OUT.format(pin=pin), file=sys.stderr)
        return 0  # and no mark of completion: the next run looks again
    (FOLDER / "made-from").write_text(wanted)
    print("frameworks: ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
