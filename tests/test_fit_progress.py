"""The progress bar: on a terminal after a while, on request at once, and never otherwise."""

import os
import pty
import subprocess
import sys
import termios

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
RUN = """
import jax, vi_lab as vi, vi_lab.fit.run
run = __import__("sys").modules["vi_lab.fit.run"]
run.PATIENCE = {patience}
vi.fit(vi.MeanField.standard(1), jax.random.key(0), lambda z: -(z @ z), num_steps=750, progress={progress})
"""


def run(patience, progress, terminal):
    """What a fit writes on stderr, in a process of its own."""
    code = [sys.executable, "-c", RUN.format(patience=patience, progress=progress)]
    if not terminal:
        return subprocess.run(code, capture_output=True, text=True, check=True).stderr
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    process = subprocess.Popen(code, stderr=theirs)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return seen.decode()


def test_a_terminal_sees_the_bar_when_a_run_takes_long():
    shown = run(patience=0, progress=None, terminal=True)
    assert "750/750" in shown and "ELBO" in shown and "steps/s" in shown
    assert "steps" not in run(patience=1000, progress=None, terminal=True)


def test_a_terminal_can_be_told_to_stay_silent():
    assert "steps" not in run(patience=0, progress=False, terminal=True)


def test_no_bar_where_there_is_no_terminal_unless_asked():
    assert run(patience=0, progress=None, terminal=False) == ""
    assert "750/750" in run(patience=0, progress=True, terminal=False)
