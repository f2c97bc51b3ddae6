"""A book of one page with a library of one number: small enough to build in seconds, by the course's own tools."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = """\
---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {name: python3, display_name: Python 3, language: python}
---

(ch-mini)=
# A small page

```{code-cell} ipython3
import vi_lab
print("answer", vi_lab.ANSWER)
```

```{code-cell} ipython3
:tags: [remove-cell]
from myst_nb import glue
glue("mini-answer", vi_lab.ANSWER, display=False)
```

The answer is {glue:text}`mini-answer:.1f`.

```{prediction} Is $\\KL{q}{p}$ symmetric?
:name: mini-predict
- [ ] Yes.
  It is called a distance.
- [x] No.
  See {eq}`eq-mini`.
```

```{math}
:label: eq-mini
\\KL{q}{p} \\ge 0
```

```{code-cell} ipython3
---
mystnb:
  figure: {name: fig-mini, caption: A square.}
---
from IPython.display import display
square = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9v9z"/></svg>'
display({"image/svg+xml": square, "text/plain": "A square of side 9.\\n[data] side 9"}, raw=True)
```
"""
# Every variable that says where a repository is hosted.
ADDRESS = {"VI_LAB_REPOSITORY", "VI_LAB_BRANCH", "GITHUB_REPOSITORY", "GITHUB_SERVER_URL", "GITHUB_REF"}
TABS = """
`````{tab-set}
````{tab-item} One, $\\E$
```{literalinclude} ../vi_lab/__init__.py
```
````
````{tab-item} Two
By {eq}`eq-mini`.
````
`````
"""
TOC = "format: jb-book\nroot: intro\nchapters:\n  - file: chapters/01-mini\n  - file: chapters/claims\n"


class MiniBook:
    """The page, the library and the verbs; change something, then run a tool."""

    def __init__(self, root: Path):
        self.root = root
        for name in ("_ext", "_static", "tools"):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("_config.yml", "references.bib", "requirements.txt"):
            shutil.copy(ROOT / name, root / name)
        for name in ("chapters", "vi_lab", "tests/claims"):
            (root / name).mkdir(parents=True)
        self.chapter = root / "chapters/01-mini.md"
        self.chapter.write_text(CHAPTER + TABS)
        (root / "chapters/claims.md").write_text("(claims)=\n# Claims\n\n```{claims}\n```\n")
        (root / "intro.md").write_text("# Start\n\n```{install-line}\n```\n")
        (root / "_toc.yml").write_text(TOC)
        self.answer(41)

    def answer(self, number: float) -> None:
        (self.root / "vi_lab/__init__.py").write_text(f"ANSWER = {number}\n")

    @contextmanager
    def edited(self, *changes: tuple[str, str]):
        """The page with other words, for a while."""
        before = text = self.chapter.read_text()
        for old, new in changes:
            assert old in text, f"{old!r} is not in the page"
            text = text.replace(old, new)
        self.chapter.write_text(text)
        try:
            yield
        finally:
            self.chapter.write_text(before)

    def run(self, tool: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        command = [sys.executable, str(self.root / "tools" / tool), *arguments]
        # The page must import this library, and the book must not take the address of the one that tests it.
        settings = {name: value for name, value in os.environ.items() if name not in ADDRESS}
        settings |= {"PYTHONPATH": str(self.root)} | environment
        return subprocess.run(command, cwd=self.root, env=settings, capture_output=True, text=True, check=False)

    def page(self, name: str = "chapters/01-mini") -> str:
        return (self.root / "_build/html" / f"{name}.html").read_text()

    def notebook(self) -> str:
        return (self.root / "_build/html/notebooks/01-mini.ipynb").read_text()
