"""How pictures look: colours, fonts, sizes. The only place that knows them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.text import Text

from mixwell.arguments import Refusing, asked_of, check_level
from mixwell.design.record import Design
from mixwell.errors import DataError, MixwellError

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
TICKS = 8.5

# Series that colours and markers tell apart; more are refused.
MOST_SERIES = 14

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
    """Marker of the index-th series, so that colour is never the only difference.

    When colours come again, they come with another marker.
    """
    return MARKERS[(index + index // len(CYCLE)) % len(MARKERS)]


def check_series(name: str, count: int) -> None:
    """Whether colours tell the values of a variable apart.

    Raises
    ------
    DataError
        If there are more than 14.
    """
    if count > MOST_SERIES:
        raise DataError(
            f"{name!r} has {count} values, and colours tell {MOST_SERIES} apart; put it along the axis, or "
            "cut it into fewer."
        )


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
        "xtick.labelsize": TICKS,
        "ytick.labelsize": TICKS,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "legend.handlelength": 1.6,
        "lines.linewidth": 1.5,
        # A dollar sign in the name of a column is one.
        "text.parse_math": False,
    }


def entry(name: str) -> str:
    """A name for the legend, which leaves out what begins with an underscore.

    >>> entry("Days"), entry("_x")
    ('Days', ' _x')
    """
    return f" {name}" if name.startswith("_") else name


def as_typed(picture: object, ax: Axes | None, labels: Mapping[str, str]) -> None:
    """Show texts as they are, also in Axes that were there before: names are no formulas.

    What the caller's own labels write between dollar signs is one, and so are powers of ten on an axis.
    """
    root = ax if ax is not None else picture.figure if isinstance(picture, Axes) else picture
    if not isinstance(root, Artist):
        return
    for one in [root] if isinstance(root, Axes) else root.findobj(Axes):
        # Made now, they are among the texts below; made when drawn, they would be the default's.
        one.get_xticklabels()
        one.get_yticklabels()
    math = ["\\mathdefault", *(" ".join(label.split()) for label in labels.values() if label.count("$") > 1)]
    for text in root.findobj(Text):
        shown = " ".join(text.get_text().split())
        text.set_parse_math(any(part in shown for part in math))


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """A picture: its arguments checked, drawn with :func:`settings`, the caller's own left untouched."""
    signature = inspect.signature(draw)
    asked = asked_of(draw)

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        ax, labels = check_arguments(draw.__name__, signature, args, kwargs)
        with Refusing(asked, args, kwargs), mpl.rc_context(settings()):  # type: ignore[arg-type]
            picture = draw(*args, **kwargs)
            as_typed(picture, ax, labels)
            return picture

    return drawn


def check_arguments(
    name: str, signature: inspect.Signature, args: Sequence[object], kwargs: Mapping[str, object]
) -> tuple[Axes | None, Mapping[str, str]]:
    """What every picture is asked in the same way: Axes, names, a level, the records of a fit.

    Returns
    -------
    The Axes and the names.

    Raises
    ------
    MixwellError
        If ``ax`` is not one Axes, ``labels`` no mapping, or ``level`` not between 0 and 1.
    DataError
        If something else than a design and its fit is given where these are expected.
    """
    first = [parameter for parameter in signature.parameters][: len(args)]
    given = {**dict(zip(first, args, strict=False)), **kwargs}
    if "design" in signature.parameters and not isinstance(given.get("design"), Design):
        raise DataError(
            f"{name}() takes the two records of a fit, {name}(fit.design, fit.fit); as a method of fit.plot "
            "it needs neither."
        )
    ax, labels, level = given.get("ax"), given.get("labels"), given.get("level", 0.95)
    if ax is not None and not isinstance(ax, Axes):
        raise MixwellError(
            f"ax= takes one matplotlib Axes, not a {type(ax).__name__}; of several made by plt.subplots() "
            "give one, axes[0] say."
        )
    if labels is not None and not isinstance(labels, Mapping):
        raise MixwellError(f'labels= takes names of variables, {{"weight": "Weight (g)"}}, not {labels!r}.')
    check_level(level)
    return ax, labels or {}
