"""Figures: words, numbers and the data they plot; the same bytes each time; q and p told apart without color."""

import re

import numpy as np
import pytest

from vi_lab import plots


def draw(shift=0.0):
    fig, ax = plots.figure(height=2.0)
    z = np.linspace(-3, 3, 101)
    ax.plot(z, np.exp(-(z**2) / 2) + shift, label="q", **plots.Q)
    ax.plot(z, np.exp(-z), label="p", **plots.P)
    ax.bar([1.0, 3.0], [2.0, 4.0], width=0.5, label="bars")
    ax.scatter(z, z**2)
    ax.fill_between(z, 0, z)
    ax.pcolormesh(np.arange(6.0).reshape(2, 3))
    ax.imshow(np.arange(4.0).reshape(2, 2))
    return fig


def shown(monkeypatch, fig, alt="q lies 0.5 nats from p"):
    caught = []
    monkeypatch.setattr(plots, "display", lambda bundle, raw: caught.append(bundle))
    plots.show(fig, alt=alt)
    return caught[0]


def test_show_gives_svg_and_text(monkeypatch):
    bundle = shown(monkeypatch, draw(), alt="q lies\n   0.5 nats from p")
    assert bundle["image/svg+xml"].lstrip().startswith("<?xml")
    assert bundle["text/plain"].splitlines()[0] == "q lies 0.5 nats from p"
    assert bundle["text/plain"].splitlines()[1].startswith("[data] ")


def test_svg_is_the_same_each_time(monkeypatch):
    assert shown(monkeypatch, draw()) == shown(monkeypatch, draw())


def test_digest_has_the_range_of_everything_that_is_drawn():
    lines = "\n".join(plots.digest(draw()))
    for expected in [
        "q: x -3 to 3 (mean 0, n 101), y 0.01 to 1 (mean 0.41, n 101)",
        "p: x -3 to 3 (mean 0, n 101), y 0 to 20.1 (mean 3.4, n 101)",
        "Rectangle: x 0.75 to 1.25 (mean 0.95, n 5), y 0 to 2 (mean 0.8, n 5)",
        "Rectangle: x 2.75 to 3.25 (mean 2.95, n 5), y 0 to 4 (mean 1.6, n 5)",
        "PathCollection: x -3 to 3 (mean 0, n 101), y 0 to 9 (mean 3.06, n 101)",
        "QuadMesh: value 0 to 5 (mean 2.5, n 6)",
        "AxesImage: value 0 to 3 (mean 1.5, n 4)",
        "FillBetweenPolyCollection: x -3 to 3",
    ]:
        assert expected in lines


def test_digest_sees_a_changed_number_and_not_rounding_noise():
    assert plots.digest(draw(0.01)) != plots.digest(draw())
    assert plots.digest(draw(1e-12)) == plots.digest(draw())
    residuals = []
    for scale in (1e-17, 2.3e-17):
        fig, ax = plots.figure()
        ax.plot(np.sin(np.arange(9)) * scale)
        residuals.append(plots.digest(fig))
    assert residuals[0] == residuals[1]


@pytest.mark.parametrize("alt", ["", "no numbers here", "12 34"])
def test_a_figure_without_words_or_numbers_is_refused(alt):
    with pytest.raises(ValueError, match="alt: got"):
        plots.show(draw(), alt=alt)


def test_q_and_p_differ_in_line_style_and_both_are_dark_enough():
    """WCAG contrast of at least 3 to 1 on white, and on the light panel of the dark theme, for graphics."""
    assert plots.Q["linestyle"] != plots.P["linestyle"]
    colors = {plots.Q["color"], plots.P["color"], plots.INK, *plots.STYLE["axes.prop_cycle"].by_key()["color"]}
    for color in colors:
        for panel in ("#ffffff", "#e9ecf0"):  # the page, and what _static/book.css puts behind figures in the dark
            assert (luminance(panel) + 0.05) / (luminance(color) + 0.05) >= 3.0, (color, panel)


def luminance(color):
    channels = [int(pair, 16) / 255 for pair in re.findall("..", color[1:])]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return np.dot(linear, [0.2126, 0.7152, 0.0722])


def test_style_does_not_leak():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    draw()
    assert dict(mpl.rcParams) == before
