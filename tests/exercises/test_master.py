"""A master that cannot be built says where: file, question and check."""

import shutil

import pytest

import exercises

MASTER = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {name: python3, display_name: Python 3, language: python}
---

```otter
# BEGIN QUESTION
name: q2
```

```{code-cell} ipython3
\""" # BEGIN TEST CONFIG
points: 0.5
\""" # END TEST CONFIG
def test_a_sum(add):
    from checks import ask, judge

    judge([ask(add, 1, 2)], [3.0], [], {})
```
"""


@pytest.fixture
def master(tmp_path, monkeypatch):
    """Write a master, beside the shared code and an empty catalogue; its path."""
    shutil.copy(exercises.EXERCISES / "checks.py", tmp_path)
    monkeypatch.setattr(exercises, "EXERCISES", tmp_path)
    (tmp_path / "misconceptions").mkdir()
    (tmp_path / "misconceptions" / "09-sums.yml").write_text("[]")

    def write(text):
        path = tmp_path / "09-sums.md"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_check_carries_its_helpers_and_its_worth(master):
    check = exercises.expand(master(MASTER)).cells[-1].source
    assert "def judge(" in check
    assert "A sum: 0.5 of 0.5 points." in check


@pytest.mark.parametrize("config", ["", "points:\n", "points: many\n", "hidden: true\n"])
def test_a_check_without_points_is_named(master, config):
    path = master(MASTER.replace("points: 0.5\n", config))
    with pytest.raises(ValueError, match=r"^09-sums\.md, q2, test_a_sum states no points; .* needs"):
        exercises.expand(path)


@pytest.mark.parametrize("names", ["aks, judge", "ask, aks, judge", "aks as ask, judge"])
def test_a_misspelt_import_is_named(master, names):
    path = master(MASTER.replace("import ask, judge", f"import {names}"))
    with pytest.raises(ValueError, match=r"^09-sums\.md, q2, test_a_sum imports aks from `checks`; .* needs"):
        exercises.expand(path)
