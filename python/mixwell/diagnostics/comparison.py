"""Do the conclusions change under other reasonable analyses? The fixed effects side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixwell.data.output import NativeFrame, Origin, frame
from mixwell.design.record import Design
from mixwell.design.subset import subset
from mixwell.diagnostics import distribution
from mixwell.diagnostics.assumptions import deletions
from mixwell.diagnostics.influence import group_cooks_bound
from mixwell.diagnostics.remedies import Remedies, robust_kind
from mixwell.diagnostics.robust import robust_covariance
from mixwell.errors import ConvergenceError, DataError, MixwellError, ModelError
from mixwell.fit import quantities
from mixwell.fit.control import Control
from mixwell.fit.record import Fit
from mixwell.fit.solve import solve
from mixwell.inference.bootstrap import bootstrap
from mixwell.inference.contrast import Approximation, row_tests
from mixwell.inference.degrees_of_freedom import approximation
from mixwell.simulate import Seed
from mixwell.text import number, number_column, table, wrap

FloatArray = NDArray[np.float64]

# Draws of the bootstrap, and most rows x draws.
_DRAWS = 999
_MOST_ROWS = 20_000_000
# No more than this share of levels or rows is left out as influential or outlying.
_MOST_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Variant:
    """The fixed effects by one analysis; arrays of length p, NaN where an effect cannot be estimated.

    Attributes
    ----------
    name
        ``"without 308, 309"``.
    about
        How it differs, in a sentence.
    same_scale
        False if the response is on another scale, so that only signs and tests compare.
    estimate, std_error, conf_low, conf_high, p_value
        Of each effect.
    """

    name: str
    about: str
    same_scale: bool
    estimate: FloatArray
    std_error: FloatArray
    conf_low: FloatArray
    conf_high: FloatArray
    p_value: FloatArray


@dataclass(frozen=True, slots=True, repr=False)
class Sensitivity:
    """Analyses side by side.

    Attributes
    ----------
    terms
        Names of the p fixed effects.
    variants
        The fit itself first.
    changes
        A sentence for each effect whose conclusion changes: its interval contains 0 in one analysis and not
        in the fit, or it turns its sign.
    skipped
        Analyses that could not be made, and why.
    level
        Confidence level.
    origin
        Kind of the frames returned.
    """

    terms: tuple[str, ...]
    variants: tuple[Variant, ...]
    changes: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    level: float
    origin: Origin

    def frame(self) -> NativeFrame:
        """``term analysis estimate std_error conf_low conf_high p_value``."""
        p = len(self.terms)
        columns: dict[str, list[object]] = {
            "term": [term for term in self.terms for _ in self.variants],
            "analysis": [v.name for _ in range(p) for v in self.variants],
        }
        for name in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
            columns[name] = [float(getattr(v, name)[j]) for j in range(p) for v in self.variants]
        return frame(self.origin, columns)

    def __str__(self) -> str:
        lines: list[str] = []
        for j, term in enumerate(self.terms):
            rows = [v for v in self.variants if np.isfinite(v.estimate[j])]
            values = np.array([[v.estimate[j], v.conf_low[j], v.conf_high[j]] for v in rows])
            # A log response has numbers of another size.
            cells = np.array([number_column(list(line), 3) for line in values])
            columns = [
                (title, [str(cell) for cell in cells[:, k]])
                for k, title in enumerate(("estimate", "low", "high"))
            ]
            columns.append(("p", [_p(v.p_value[j]) for v in rows]))
            lines += [*table([v.name for v in rows], columns, heading=term), ""]
        if self.changes:
            for sentence in self.changes:
                lines += wrap(sentence, indent="  ")
        else:
            lines += wrap(
                "No conclusion changes: the same effects are clear of 0, with the same sign.", indent="  "
            )
        for variant in self.variants[1:]:
            lines += wrap(f"{variant.name}: {variant.about}", indent="  ")
        for name, reason in self.skipped:
            lines += wrap(f"Not made: {name}. {reason}", indent="  ")
        return "\n".join(lines)

    __repr__ = __str__


def _p(value: float) -> str:
    return "<.0001" if value < 1e-4 else f"{value:.4f}"


def _variant(
    name: str, about: str, fit: Fit, method: Approximation, level: float, *, same_scale: bool = True
) -> Variant:
    tests = row_tests(method, fit.beta, np.eye(len(fit.beta)))
    low, high = tests.interval(level)
    return Variant(name, about, same_scale, tests.estimate, tests.std_error, low, high, tests.p_value)


def _refitted(
    name: str,
    about: str,
    design: Design,
    fit: Fit,
    level: float,
    control: Control | None,
    *,
    same_scale: bool = True,
) -> Variant:
    found = solve(design, reml=fit.reml, control=control)
    if not np.array_equal(found.kept, fit.kept):
        raise ModelError("Not every fixed effect can be estimated then.")
    method = approximation(design, found, "satterthwaite")
    return _variant(name, about, found, method, level, same_scale=same_scale)


@dataclass(frozen=True, slots=True)
class Influential:
    """Levels that pull most.

    Attributes
    ----------
    levels
        Positions of those beyond the bound, the most influential first, at most a fifth of all; else of the
        most influential one.
    largest, bound
        The largest Cook's distance, and what no level's exceeds in about 95 % of samples from the model.
    """

    levels: NDArray[np.intp]
    largest: float
    bound: float


def influential(design: Design, fit: Fit, at: Origin, factor: int) -> Influential:
    """The levels of a factor that change the fixed effects most when they are left out."""
    distance = np.nan_to_num(deletions(design, fit, at, factor).cooks_distance, nan=0.0)
    bound = group_cooks_bound(design, fit, design.factors[factor].name)
    order = np.argsort(-distance, kind="stable")
    above = int(np.sum(distance > bound))
    most = max(1, int(_MOST_SHARE * len(distance)))
    return Influential(order[: min(max(above, 1), most)], float(distance[order[0]]), bound)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def sensitivity(
    design: Design,
    fit: Fit,
    at: Origin,
    *,
    level: float = 0.95,
    seed: Seed = 1,
    control: Control | None = None,
) -> Sensitivity:
    """Makes the analyses that apply; see ``LmerResult.sensitivity``."""
    if not len(fit.beta):
        raise ModelError("The model has no fixed effects, so there is nothing to compare.")
    variants = [
        _variant("as fitted", "the fit itself.", fit, approximation(design, fit, "satterthwaite"), level)
    ]
    skipped: list[tuple[str, str]] = []

    def add(name: str, make: Callable[[], Variant]) -> None:
        try:
            variants.append(make())
        except (ModelError, DataError, ConvergenceError, MixwellError) as error:
            skipped.append((name, str(error)))

    for i, factor in enumerate(design.factors):

        def without_levels(i: int = i, name: str = factor.name) -> Variant:
            found = influential(design, fit, at, i)
            out = found.levels
            labels = [str(level) for level in design.factors[i].levels[out]]
            part = subset(design, ~np.isin(design.factors[i].codes, out))
            if found.largest > found.bound:
                about = f"levels of {name} left out whose Cook's distance chance does not explain"
                about += f" (above {number(found.bound, 2)})."
            else:
                about = f"the most influential level of {name} left out; its Cook's distance"
                about += f" {number(found.largest, 2)} is within what chance explains"
                about += f" ({number(found.bound, 2)})."
            return _refitted(f"without {name} {_listed(labels)}", about, part, fit, level, control)

        add(f"without influential {factor.name}", without_levels)

    def without_rows() -> Variant:
        found = distribution.row_outliers(design, fit, at)
        if len(found.at) == 0:
            raise ModelError("No row is an outlier.")
        out = found.at[: max(1, int(_MOST_SHARE * design.n_obs))]
        part = subset(design, ~np.isin(np.arange(design.n_obs), out))
        count = f"{len(out)} outlying row{'' if len(out) == 1 else 's'}"
        about = "rows left out whose studentized residuals chance does not explain (Holm)."
        return _refitted(f"without {count}", about, part, fit, level, control)

    add("without outlying rows", without_rows)

    def logged() -> Variant:
        if not Remedies(design, fit).positive:
            raise ModelError("The response is not positive, or is a function already, or has an offset.")
        changed = replace(design, y=np.log(design.y), response_name=f"log({design.response_name})")
        about = "effects are on the log scale, about proportional changes; compare signs and tests."
        return _refitted("log response", about, changed, fit, level, control, same_scale=False)

    add("log response", logged)
    kind = robust_kind(design)
    add(
        f"{kind} standard errors",
        lambda: _variant(
            f"{kind} standard errors",
            "valid where variances or correlations are wrong, clusters being independent.",
            fit,
            robust_covariance(design, fit, kind),
            level,
        ),
    )

    def resampled() -> Variant:
        draws = int(min(_DRAWS, _MOST_ROWS // design.n_obs))
        if draws < 199:
            raise ModelError("It was spared with so many rows; fit.bootstrap(kind='residual') makes it.")
        found = bootstrap(
            design,
            fit,
            at,
            n=draws,
            statistic=None,
            kind="residual",
            groups=None,
            seed=seed,
            ci="percentile",
            progress=False,
            control=control,
        )
        terms = quantities.kept_names(design, fit)
        first = len(found.names) - len(terms)
        ends = np.array(found.interval(level)[first:])
        values = found.draws[:, first:]
        below = (np.sum(values <= 0, axis=0) + 1) / (len(values) + 1)
        above = (np.sum(values >= 0, axis=0) + 1) / (len(values) + 1)
        return Variant(
            "bootstrap",
            f"{len(values)} refits to resampled residuals and random effects, whatever their distribution; "
            f"percentile intervals, p at least {2 / (len(values) + 1):.3f}.",
            True,
            fit.beta,
            found.std_error[first:],
            ends[:, 0],
            ends[:, 1],
            np.minimum(2 * np.minimum(below, above), 1.0),
        )

    add("bootstrap", resampled)
    terms = quantities.kept_names(design, fit)
    return Sensitivity(terms, tuple(variants), _changes(terms, variants), tuple(skipped), level, at)


def _clear(variant: Variant, j: int) -> bool:
    return bool(variant.conf_low[j] > 0 or variant.conf_high[j] < 0)


def _changes(terms: tuple[str, ...], variants: list[Variant]) -> tuple[str, ...]:
    first, *others = variants
    sentences = []
    for j, term in enumerate(terms):
        for other in others:
            if term == "(Intercept)" and not other.same_scale:
                continue
            before, after = _clear(first, j), _clear(other, j)
            turned = before and after and np.sign(first.estimate[j]) != np.sign(other.estimate[j])
            if turned:
                sentences.append(f"{term} turns its sign: {other.name}.")
            elif before and not after:
                sentences.append(f"{term} is no longer clear of 0: {other.name}.")
            elif after and not before:
                sentences.append(f"{term} becomes clear of 0: {other.name}.")
    return tuple(sentences)
