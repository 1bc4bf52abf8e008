"""Pictures of the likelihood's profiles and of parameters against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtri

from mixwell.arguments import check_one_of, numbers_given
from mixwell.data.frame import near
from mixwell.errors import DataError, ModelError
from mixwell.inference.profile import Curve, Profile
from mixwell.plots import style
from mixwell.plots.layout import columns_for, extent, finish, overall, panels, panels_that_fit, zero_line
from mixwell.plots.left_out import say_left_out
from mixwell.plots.names import short_names
from mixwell.plots.smooth import density
from mixwell.plots.style import styled
from mixwell.plots.words import Labels, Lang, words

FloatArray = NDArray[np.float64]

_LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
_MOST_PAIRS = 10


@dataclass(frozen=True, slots=True)
class Line:
    """A smooth curve through a profile.

    Attributes
    ----------
    value, zeta, height
        Length m: the parameter, its zeta, and the confidence density phi(zeta) d zeta / d value.
    """

    value: FloatArray
    zeta: FloatArray
    height: FloatArray


def profile_line(values: FloatArray, zeta: FloatArray, points: int = 241) -> Line:
    """Monotone interpolation of a profile's points, and its density.

    Examples
    --------
    >>> x = np.linspace(-3.0, 3.0, 13)
    >>> line = profile_line(x, x)
    >>> round(float(line.height.max()), 4)
    0.3989
    """
    keep = np.concatenate([[True], np.diff(values) > 0])
    curve = PchipInterpolator(values[keep], zeta[keep])
    grid = np.linspace(values[0], values[-1], points)
    at = curve(grid)
    height = np.exp(-0.5 * at**2) / np.sqrt(2 * np.pi) * curve(grid, 1)
    return Line(grid, at, height)


@styled
def plot_profile(
    profile: Profile,
    parameters: Sequence[str] | str | None = None,
    *,
    kind: Literal["zeta", "density"] = "zeta",
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Profile of each parameter: zeta, or the density that it implies.

    zeta is the signed square root of the rise of the criterion; a straight line means that intervals from
    standard errors serve, a bent one that they do not. Bars are the intervals of 50, 80, 90, 95 and 99 %, as
    far as the profile reaches. The density is normal when zeta is straight, and shows skewness otherwise.

    Parameters
    ----------
    profile
        Of ``fit.profile()``.
    parameters
        Names of the parameters; by default all.
    kind
        ``"zeta"`` or ``"density"``.
    ax
        Axes to draw in; the panels take its place, the first being ``ax`` itself.
    labels
        What parameters are called.
    lang
        ``"en"`` or ``"zh"``.

    Returns
    -------
    matplotlib.axes.Axes
        The first panel; all are in ``ax.figure.axes``.

    Raises
    ------
    DataError
        If the profile does not hold a parameter.

    Examples
    --------
    >>> import mixwell as mw
    >>> from matplotlib.figure import Figure
    >>> fit = mw.lmer("Yield ~ 1 + (1 | Batch)", mw.datasets.load_dyestuff())
    >>> ax = plot_profile(fit.profile(), ax=Figure().subplots())
    >>> [panel.get_xlabel() for panel in ax.figure.axes]
    ['sd_(Intercept)|Batch', 'sigma', '(Intercept)']
    """
    check_one_of("kind", kind, ("zeta", "density"))
    text = words(lang, labels)
    known = {curve.name: curve for curve in profile.curves}
    wanted = (
        [parameters] if isinstance(parameters, str) else list(known if parameters is None else parameters)
    )
    for name in wanted:
        if name not in known:
            raise DataError(f"The profile holds no parameter {name!r}{near(name, known)}")
    if not wanted:
        raise DataError("parameters= names none to draw; leave it out for all.")
    columns = columns_for(ax, len(wanted), 2 if len(wanted) == 4 else 3)
    rows = -(-len(wanted) // columns)
    axes = panels(ax, len(wanted), columns, (max(4.4, 3.2 * columns), max(3.3, 2.6 * rows)))
    for i, (panel, name) in enumerate(zip(axes, wanted, strict=True)):
        curve = known[name]
        if kind == "zeta":
            draw_zeta(panel, curve)
            label = text.say("ζ (signed root)")
        else:
            draw_density(panel, curve)
            label = text.say("density")
        panel.locator_params(axis="x", nbins=max(2, int(extent(panel)[0] / 35)))
        finish(panel, "", text.name(curve.name), label if i % columns == 0 else "")
    title = text.say("Profile zeta") if kind == "zeta" else text.say("Profile density")
    if len(wanted) == 1:
        axes[0].set_title(title)
    else:
        overall(axes, title, 1, own=ax is None)
    return axes[0]


def draw_zeta(ax: Axes, curve: Curve) -> None:
    """zeta of one parameter, with bars of its intervals."""
    line = profile_line(curve.values, curve.zeta)
    ax.plot(line.value, line.zeta, color=style.MODEL)
    named = extent(ax)[1] > 70
    zero_line(ax)
    ax.axvline(curve.estimate, color=style.REFERENCE, linewidth=0.8, linestyle=":")
    for level in _LEVELS:
        z = float(ndtri((1 + level) / 2))
        low, high = curve.at(-z), curve.at(z)
        for end, sign in ((low, -z), (high, z)):
            if curve.zeta[0] - 1e-6 <= sign <= curve.zeta[-1] + 1e-6:
                ax.plot([end, end], [0, sign], color=style.QUIET, linewidth=0.8, zorder=1)
        if curve.zeta[-1] + 1e-6 >= z:
            ax.plot([low, high], [z, z], color=style.QUIET, linewidth=0.8, zorder=1)
            if not named:
                continue
            ax.annotate(
                f"{level:.0%}",
                (1, z),
                xycoords=("axes fraction", "data"),
                xytext=(2, 0),
                textcoords="offset points",
                va="center",
                fontsize=6,
                color=style.DATA,
            )


def draw_density(ax: Axes, curve: Curve) -> None:
    """Density of one parameter, its middle 95 % shaded."""
    line = profile_line(curve.values, curve.zeta)
    ax.plot(line.value, line.height, color=style.MODEL)
    middle = np.abs(line.zeta) <= 1.959964
    ax.fill_between(
        line.value[middle], line.height[middle], color=style.MODEL, alpha=style.BAND_ALPHA, linewidth=0
    )
    ax.axvline(curve.estimate, color=style.REFERENCE, linewidth=0.8, linestyle=":")
    ax.set_ylim(bottom=0)


@styled
def plot_pairs(
    draws: ArrayLike,
    names: Sequence[str],
    estimates: ArrayLike | None = None,
    *,
    parameters: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
    labels: Labels = None,
    lang: Lang = "en",
) -> Axes:
    """Parameters against each other, as they vary from draw to draw of a bootstrap.

    On the diagonal the density of each, below it clouds of the draws, above it their correlation.

    Parameters
    ----------
    draws
        Shape (m, p), as ``fit.bootstrap().draws``; NaN where a parameter is not defined.
    names
        The p parameters.
    estimates
        Length p, drawn as lines.
    title
        Over all panels, when they have a figure of their own; by default how many draws there are. Draws in
        which a parameter is not defined are left out, and the title says how many of all are drawn.
    parameters
        Those to draw, at most 10; by default the first 10 that vary, in the place of ``ax`` no more than have
        room there. Of those left out the title gives the number and a warning the names.
    ax, labels, lang
        As in :func:`plot_profile`.

    Returns
    -------
    matplotlib.axes.Axes
        The first panel; all are in ``ax.figure.axes``.

    Raises
    ------
    DataError
        If shapes do not fit, or a parameter does not exist.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> draws = np.random.default_rng(1).normal(size=(200, 2))
    >>> ax = plot_pairs(draws, ["a", "b"], ax=Figure().subplots())
    >>> len(ax.figure.axes)
    4
    """
    text = words(lang, labels)
    values = numbers_given(draws, "draws")
    if values.ndim != 2 or values.shape[1] != len(names):
        raise DataError(f"plot_pairs() needs draws of {len(names)} parameters; the shape is {values.shape}.")
    for name in parameters or ():
        if name not in names:
            raise DataError(f"There are no draws of {name!r}{near(name, names)}")
    defined = np.isfinite(values)
    varying = [i for i in range(len(names)) if len(set(values[defined[:, i], i][:50].tolist())) > 1]
    wanted = varying if parameters is None else [list(names).index(n) for n in parameters]
    still = [names[i] for i in wanted if i not in varying]
    if still:
        raise ModelError(
            f"plot_pairs(): {still[0]!r} does not vary from draw to draw, so there is no cloud of it; "
            "leave it out of parameters=."
        )
    if not wanted or (parameters is not None and len(wanted) > _MOST_PAIRS):
        raise ModelError(
            f"plot_pairs() draws 1 to {_MOST_PAIRS} parameters that vary, not {len(wanted)}; "
            "name some with parameters=."
        )
    chosen = wanted
    if parameters is None:
        chosen = wanted[: max(2, min(_MOST_PAIRS, *panels_that_fit(ax, 0.8, 0.7)))]
    p = len(chosen)
    used = defined[:, chosen].all(axis=1)
    count = text.count(int(used.sum()), len(values))
    if title is None:
        title = text.say("{n} draws", n=count)
    elif not used.all():
        title = text.say("{title} ({count})", title=title, count=count)
    if parameters is None:
        omitted = [names[i] for i in range(len(names)) if i not in chosen]
        title = say_left_out(title, omitted, "parameters=", text, len(names), text.say("parameters"))
    axes = panels(ax, p * p, p, (max(4.0, 1.75 * p + 0.8), max(3.6, 1.6 * p + 0.5)))
    values = values[used]
    correlations = np.corrcoef(values[:, chosen], rowvar=False).reshape(p, p)
    centre = None
    if estimates is not None:
        given = numbers_given(estimates, "estimates")
        if given.shape != (len(names),):
            raise DataError(f"estimates must be {len(names)} numbers; the shape is {given.shape}.")
        centre = given[chosen]
    for row in range(p):
        for column in range(p):
            panel = axes[row * p + column]
            x, y = values[:, chosen[column]], values[:, chosen[row]]
            if row == column:
                found = density(x)
                panel.fill_between(found.x, found.height, color=style.MODEL, alpha=0.35, linewidth=0)
                panel.plot(found.x, found.height, color=style.MODEL)
                panel.set_ylim(bottom=0)
            elif row > column:
                if len(x) > 1500:
                    panel.hexbin(x, y, gridsize=28, mincnt=1, bins="log", cmap=style.COUNTS, linewidths=0.1)
                else:
                    panel.scatter(x, y, s=5, color=style.DATA, alpha=0.4, linewidths=0)
                panel.set_ylim(*spread(y))
            else:
                r = correlations[row, column]
                panel.text(
                    0.5,
                    0.5,
                    f"{r + 0.0:.2f}".replace("-0.00", "0.00"),
                    ha="center",
                    va="center",
                    fontsize=8 + 6 * abs(r),
                )
                panel.set_axis_off()
                panel.set_xlim(0, 1)
                panel.set_ylim(0, 1)
                continue
            panel.set_xlim(*spread(x))
            if centre is not None:
                panel.axvline(centre[column], color=style.GROUP, linewidth=0.9)
                if row > column:
                    panel.axhline(centre[row], color=style.GROUP, linewidth=0.9)
            panel.tick_params(labelsize=7, labelbottom=row == p - 1, labelleft=column == 0 and row > 0)
            panel.locator_params(nbins=4)
            if row == p - 1:
                panel.set_xlabel(folded(text.name(names[chosen[column]])), fontsize=style.SMALL)
            if column == 0:
                panel.set_ylabel(
                    folded(text.name(names[chosen[row]])) if row > 0 else text.say("density"),
                    fontsize=style.SMALL,
                )
    overall(axes, title, 1, own=ax is None)
    return axes[0]


def folded(name: str) -> str:
    """A long name in lines."""
    lines = name.replace(":", ":\n").replace("|", "|\n").split("\n") if len(name) > 14 else [name]
    return "\n".join(short_names(lines, 22))


def spread(values: FloatArray) -> tuple[float, float]:
    """Limits with a little room."""
    low, high = float(values.min()), float(values.max())
    room = 0.06 * (high - low)
    return low - room, high + room
