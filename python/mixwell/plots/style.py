"""How pictures look: colours, fonts, sizes. The only place that knows them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.colors import Colormap, LinearSegmentedColormap

P = ParamSpec("P")
R = TypeVar("R")

# Okabe & Ito's colours, told apart with every kind of colour vision, without the yellow, too pale on white.
BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
ORANGE = "#E69F00"
BLACK = "#000000"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

# What a colour stands for in all pictures.
DATA = "#5A5A5A"
QUIET = "#9A9A9A"
MODEL = BLUE
GROUP = VERMILION
FLAGGED = VERMILION
SMOOTH = VERMILION
REFERENCE = "#3A3A3A"
BAND_ALPHA = 0.2

SMALL = 8.0

# Beyond this many points a cloud is drawn as hexagons shaded by count.
MOST_POINTS = 6000
# Beyond this many groups, names on the axis become unreadable; beyond the second number, so do the groups.
MOST_NAMES = 40
MOST_GROUPS = 300

# Light at one row, dark at many, and never white: a single row stays visible.
COUNTS: Colormap = LinearSegmentedColormap.from_list("counts", ["#C3D9EA", "#4B97C7", "#0B4F83", "#04223F"])

_CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti SC",
    "STHeiti",
    "SimHei",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Noto Sans CJK JP",
    "Noto Sans CJK TC",
    "Noto Serif CJK SC",
    "SimSun",
    "Arial Unicode MS",
    "Droid Sans Fallback",
)


def colour(index: int) -> str:
    """Colour of the index-th series."""
    return CYCLE[index % len(CYCLE)]


def marker(index: int) -> str:
    """Marker of the index-th series, so that colour is never the only difference."""
    return MARKERS[index % len(MARKERS)]


def chinese_font() -> str | None:
    """Name of an installed font that has Chinese characters, or None.

    Examples
    --------
    >>> name = chinese_font()
    >>> name is None or isinstance(name, str)
    True
    """
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in _CHINESE_FONTS if name in installed), None)


def settings() -> dict[str, object]:
    """matplotlib settings while a picture is drawn; the Chinese font fills in for glyphs the usual lacks."""
    chinese = chinese_font()
    families = list(mpl.rcParams["font.family"])
    return {
        "font.family": [*families, chinese] if chinese and chinese not in families else families,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": False,
        "axes.titlesize": 10.5,
        "axes.labelsize": 9.5,
        "axes.axisbelow": True,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "legend.handlelength": 1.6,
        "lines.linewidth": 1.5,
    }


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw with :func:`settings`, and leave the caller's own untouched."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(settings()):  # type: ignore[arg-type]
            return draw(*args, **kwargs)

    return drawn
