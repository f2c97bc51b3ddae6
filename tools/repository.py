"""Where this repository is hosted, as far as the build can know: never a guess."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_ADDRESS = re.compile(
    r"^(?:(?:https?|ssh|git)://(?:[^@/]+@)?|[\w.-]+@)(?P<host>[\w.-]+\.[a-z]+)[:/](?P<owner>[\w./-]+)/(?P<name>[\w.-]+?)"
    r"(?:\.git)?/?$"
)


@dataclass(frozen=True)
class Repository:
    host: str
    owner: str
    name: str
    branch: str = "main"

    @property
    def url(self) -> str:
        return f"https://{self.host}/{self.owner}/{self.name}"

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
    found = _ADDRESS.match(address.strip())
    return Repository(found["host"], found["owner"], found["name"], branch) if found else None


def find(environment: dict[str, str] | None = None, root: Path = ROOT) -> Repository | None:
    """From VI_LAB_REPOSITORY, else from GitHub's own variables, else from the git remote `origin`."""
    env = os.environ if environment is None else environment
    branch = env.get("VI_LAB_BRANCH") or "main"
    if env.get("VI_LAB_REPOSITORY"):
        return parse(env["VI_LAB_REPOSITORY"], branch)
    if env.get("GITHUB_REPOSITORY"):
        server = env.get("GITHUB_SERVER_URL", "https://github.com")
        return parse(f"{server}/{env['GITHUB_REPOSITORY']}", branch)
    try:
        command = ["git", "-C", str(root), "remote", "get-url", "origin"]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return parse(asked.stdout, branch)
