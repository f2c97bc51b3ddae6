"""Where this repository is hosted, as far as the build can know: never a guess."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADS = "refs/heads/"
_PLACE = r"(?P<owner>[\w./-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?$"
_HOST = r"[\w.-]+\.[a-z]+"
# The port of a web address belongs to every address made from it; the port of ssh or git says nothing about the web.
_ADDRESSES = [
    re.compile(rf"^(?P<scheme>https?)://(?:[^@/]+@)?(?P<host>{_HOST}(?::\d+)?)/{_PLACE}"),
    re.compile(rf"^(?:ssh|git)://(?:[^@/]+@)?(?P<host>{_HOST})(?::\d+)?/{_PLACE}"),
    re.compile(rf"^[\w.-]+@(?P<host>{_HOST}):{_PLACE}"),
]


@dataclass(frozen=True)
class Repository:
    host: str
    owner: str
    name: str
    branch: str = "main"
    scheme: str = "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}/{self.owner}/{self.name}"

    def binder(self, path: str) -> str | None:
        """The address that opens the file at `path` on Binder; None for a host that Binder has no code for."""
        provider = {"github.com": "gh", "gitlab.com": "gl"}.get(self.host)
        if provider is None:
            return None
        place = f"{self.owner}/{self.name}" if provider == "gh" else f"{self.owner}/{self.name}".replace("/", "%2F")
        return f"https://mybinder.org/v2/{provider}/{place}/{self.branch}?urlpath=lab/tree/{path}"

    def colab(self, path: str) -> str | None:
        """The address that opens the file at `path` in Colab, which reads GitHub alone."""
        if self.host != "github.com":
            return None
        return f"https://colab.research.google.com/github/{self.owner}/{self.name}/blob/{self.branch}/{path}"


def parse(address: str, branch: str = "main") -> Repository | None:
    """The repository behind a web or git address; None for a folder on this machine or anything else."""
    found = next(filter(None, (pattern.match(address.strip()) for pattern in _ADDRESSES)), None)
    return Repository(**{"branch": branch} | found.groupdict()) if found else None


def find(environment: Mapping[str, str] | None = None, root: Path = ROOT) -> Repository | None:
    """From VI_LAB_REPOSITORY, else from GitHub's own variables, else from the git remote `origin`."""
    env = os.environ if environment is None else environment
    branch = _branch(env, root)
    if env.get("VI_LAB_REPOSITORY"):
        return parse(env["VI_LAB_REPOSITORY"], branch)
    if env.get("GITHUB_REPOSITORY"):
        server = env.get("GITHUB_SERVER_URL", "https://github.com")
        return parse(f"{server}/{env['GITHUB_REPOSITORY']}", branch)
    return parse(_git(root, "remote", "get-url", "origin"), branch)


def _branch(env: Mapping[str, str], root: Path) -> str:
    """The branch being built on GitHub, else the one that the remote calls its own, unless VI_LAB_BRANCH says."""
    built = env.get("GITHUB_REF", "")
    told = env.get("VI_LAB_BRANCH") or (built.removeprefix(HEADS) if built.startswith(HEADS) else "")
    return told or _git(root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").removeprefix("origin/") or "main"


def _git(root: Path, *arguments: str) -> str:
    """Git's answer about the repository whose top is `root`; empty without one, or without git.

    A copy without history that lies inside somebody's repository must not take that one for its own.
    """
    git = ["git", "-C", str(root)]
    try:
        top = subprocess.run([*git, "rev-parse", "--show-toplevel"], capture_output=True, text=True).stdout.strip()
        if not top or Path(top).resolve() != root.resolve():
            return ""
        return subprocess.run([*git, *arguments], capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""
