"""The figures of the course: one style, one way to show them, with words and data for those who cannot see
them.
"""

from io import BytesIO

import matplotlib as mpl
import numpy as np
from IPython.display import display
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vi_lab import _checks as check

Q = {"color": "#b3400a", "linestyle": (0, (5, 2)), "linewidth": 2.2}  # what we choose: dashed
P = {"color": "#1a56a8", "linestyle": "-", "linewidth": 2.2}  # what is given: solid
INK = "#1c1c1c"  # dark on transparent: the book puts a light panel behind images in the dark theme
STYLE = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.prop_cycle": mpl.cycler(color=["#1c1c1c", "#00796b", "#8e44ad", "#997404", "#5b6770"]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.size": 11,
    "grid.alpha": 0.2,
    "grid.color": INK,
    "legend.framealpha": 0.8,
    "mathtext.fontset": "cm",
    "svg.fonttype": "path",
    "svg.hashsalt": "vi_lab",
}
ROUNDING = 1e-12  # smaller magnitudes count as zero in the digest
WIDTH = 7.2  # inches: legible on a phone, where the page is half as wide


def figure(nrows: int = 1, ncols: int = 1, *, height: float = 3.4, **subplots) -> tuple[Figure, Axes | np.ndarray]:
    """A figure in the style of the course, and its axes as `matplotlib.pyplot.subplots` returns them.

    `height` is in inches, for the whole figure; other settings (`sharey`, `width_ratios`, ...) go to
    `subplots`.
    """
    with mpl.rc_context(STYLE):
        fig = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(fig)
        return fig, fig.subplots(nrows, ncols, **subplots)


def show(fig: Figure, *, alt: str) -> None:
    """Displays the figure as SVG; its text form is `alt`, followed by a digest of the data that it plots.

    `alt` says what the figure shows, in words, with numbers made from the data: it is what a reader hears who
    cannot see it, and what tests compare. ValueError without words or without a number.
    """
    if not any(c.isalpha() for c in alt) or not any(c.isdigit() for c in alt):
        check.reject("alt", repr(alt), "a sentence that says what the figure shows, with numbers from its data")
    text = "\n".join([" ".join(alt.split()), *digest(fig)])
    display({"image/svg+xml": _svg(fig), "text/plain": text}, raw=True)


def digest(fig: Figure) -> list[str]:
    """One line for everything that is drawn, with its size and range: what a regression test compares."""
    return [f"[data] {line}" for axes in fig.axes for line in _digest_axes(axes)]


def _digest_axes(axes: Axes) -> list[str]:
    drawn = [*axes.lines, *axes.patches, *axes.images, *axes.collections]
    return [f"{_name(artist)}: {_ranges(artist)}" for artist in drawn]


def _ranges(artist: Artist) -> str:
    array = artist.get_array() if hasattr(artist, "get_array") else None
    if array is not None and np.size(array) > 1:
        return _summary(value=array)
    if isinstance(artist, Line2D):
        return _summary(x=artist.get_xdata(), y=artist.get_ydata())
    if isinstance(artist, Patch):  # the path of a bar is a unit square until its own transform is applied
        vertices = artist.get_patch_transform().transform(artist.get_path().vertices)
    elif len(artist.get_offsets()) > 1:
        vertices = artist.get_offsets()
    else:
        vertices = np.concatenate([path.vertices for path in artist.get_paths()] or [np.zeros((0, 2))])
    return _summary(x=vertices[:, 0], y=vertices[:, 1])


def _name(artist: Artist) -> str:
    label = str(artist.get_label())
    return type(artist).__name__ if label.startswith("_") or not label else label


def _summary(**columns) -> str:
    """Size, smallest, largest and mean, at a thousandth of the largest magnitude: rounding noise leaves no
    trace.
    """
    parts = []
    for name, values in columns.items():
        values = np.ma.masked_invalid(np.ma.asarray(values).astype(float)).compressed()
        values[np.abs(values) < ROUNDING] = 0.0  # an error near machine zero differs between machines
        if values.size:
            unit = 10.0 ** (np.floor(np.log10(max(np.abs(values).max(), ROUNDING))) - 2)
            low, high, mean = (
                f"{round(v / unit) * unit + 0.0:.3g}" for v in (values.min(), values.max(), values.mean())
            )
            parts.append(f"{name} {low} to {high} (mean {mean}, n {values.size})")
    return ", ".join(parts)


def _svg(fig: Figure) -> str:
    buffer = BytesIO()
    with mpl.rc_context(STYLE):
        fig.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue().decode()
