"""Make `.venv` from the lock: `python tools/env.py`.

This file runs under whatever Python the reader has, so it keeps to syntax that old ones parse:
only then can it say which version is needed instead of dying of a SyntaxError.
"""

from __future__ import print_function

import hashlib
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NEEDED = (3, 11)
# How pip and uv say that no index answered; what follows in their logs is only what came of that.
UNREACHED = "ConnectionError|NewConnectionError|Temporary failure|dns error|error sending request"
UNFINDABLE = "Could not find a version"


def too_old(version, needed=NEEDED):
    """One sentence when `version` is too old, else None."""
    if tuple(version[:2]) >= needed:
        return None
    named = ("%d.%d" % needed, sys.executable, "%d.%d" % tuple(version[:2]))
    return "Python %s or newer is needed, and %s is %s: try `make PYTHON=python3.13 env`." % named


def stamp(root, version, lock="requirements.txt"):
    """What the environment is made from: one line for interpreter and place, one for the packages."""
    digest = hashlib.sha256()
    for name in (lock, "pyproject.toml"):
        with open(os.path.join(root, name), "rb") as source:
            digest.update(source.read())
    return "Python %d.%d.%d in %s\n%s\n" % (tuple(version[:3]) + (os.path.realpath(root), digest.hexdigest()))


def read(path):
    try:
        with open(path) as source:
            return source.read()
    except (IOError, OSError):
        return ""


def run(command, log, extra=None):
    """Run quietly into the log; True when it worked."""
    with open(log, "a") as out:
        out.write("$ %s\n" % " ".join(command))
        out.flush()
        try:
            status = subprocess.call(command, stdout=out, stderr=out, cwd=ROOT, env=dict(os.environ, **(extra or {})))
        except OSError as error:
            out.write("%s\n" % error)
            return False
    return status == 0


def uv_settings(python):
    """Let uv follow what pip was told (mirror, links), and trust the certificates the system trusts."""
    extra = {} if "UV_NATIVE_TLS" in os.environ else {"UV_NATIVE_TLS": "1"}
    for name, option in (("UV_DEFAULT_INDEX", "global.index-url"), ("UV_FIND_LINKS", "global.find-links")):
        told = os.environ.get("PIP_" + option.split(".")[1].upper().replace("-", "_"))
        if told is None:
            asked = subprocess.Popen(
                [python, "-m", "pip", "config", "get", option], stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            told = asked.communicate()[0].decode().strip()
        if told and name not in os.environ:
            extra[name] = ",".join(told.split())
    return extra


def install(venv, log):
    """Install exactly the lock: with uv (seconds), or with pip (minutes) where uv does not run."""
    python = os.path.join(venv, "bin", "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--retries", "1", "install"]
    pinned_uv = re.search(r"^uv==\S+", read(os.path.join(ROOT, "requirements.txt")), re.M).group()
    uv = os.path.join(venv, "bin", "uv")
    if not run(pip + [pinned_uv], log):
        return False  # the lock holds uv too, so pip could not install that either
    if run([uv, "--version"], log):
        if run([uv, "pip", "sync", "--python", python, "requirements.txt"], log, uv_settings(python)):
            return True
    print("env: uv could not do it, trying pip (this takes a few minutes)")
    return run(pip + ["-r", "requirements.txt"], log)


def reason(said, log):
    """Why the packages could not be installed, in one sentence, from all that pip and uv said."""
    first = re.search("^.*(%s|%s).*$" % (UNREACHED, UNFINDABLE), said, re.M)
    if first and re.search(UNREACHED, first.group()):
        return "no package index could be reached: is the network there? (all of it in %s)" % log
    errors = [line for line in said.splitlines() if "error" in line.lower()] or ["no reason given"]
    line = (first.group() if first else errors[0]).strip()
    return "the packages could not be installed (%s; all of it in %s)" % (line, log)


def fail(sentence):
    print("env: " + sentence, file=sys.stderr)
    return 1


def main():
    old = too_old(sys.version_info)
    if old:
        return fail(old)
    venv, wanted = os.path.join(ROOT, ".venv"), stamp(ROOT, sys.version_info)
    marker, log = os.path.join(venv, "made-from"), os.path.join(venv, "install.log")
    if read(marker) == wanted:
        print("env: .venv is up to date")
        return 0
    named = "%d.%d.%d" % sys.version_info[:3]
    print("env: making .venv with Python %s from requirements.txt (about 1 GB, some minutes the first time)" % named)
    sys.stdout.flush()
    # Another interpreter or a moved folder needs a new start; a changed lock only needs other packages.
    clear = [] if read(marker).splitlines()[:1] == wanted.splitlines()[:1] else ["--clear"]
    if subprocess.call([sys.executable, "-m", "venv"] + clear + [venv]) != 0:
        return fail("%s cannot make virtual environments: on Debian, `apt-get install python3-venv`." % sys.executable)
    open(log, "w").close()  # or the reason for a failure could be that of an earlier one
    if not install(venv, log):
        return fail(reason(read(log), log))
    with open(marker, "w") as out:
        out.write(wanted)
    print("env: ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
