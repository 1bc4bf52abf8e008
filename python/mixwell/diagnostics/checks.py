"""All checks of a fit in one table: assumption, test, verdict, evidence, remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mixwell.arguments import checked_methods
from mixwell.data.output import NativeFrame, Origin, frame
from mixwell.design.record import Design
from mixwell.diagnostics import assumptions, mean
from mixwell.diagnostics.record import Check, Verdict
from mixwell.diagnostics.remedies import Remedies
from mixwell.errors import ConvergenceError, DataError, ModelError
from mixwell.fit.record import Fit
from mixwell.lazy import lazy_module
from mixwell.markup import html_table
from mixwell.text import WIDTH, pad, wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

    from mixwell.plots import accessor as pictures
else:
    pictures = lazy_module("mixwell.plots.accessor")

# Rows x draws of the simulation that a check may take, each of which is a refit.
_SIMULATE_ROWS = 2_500_000


@checked_methods
@dataclass(frozen=True, slots=True, repr=False)
class Checks:
    """The checks of a fit. ``str()`` is a table of at most 79 columns; notebooks show HTML.

    Attributes
    ----------
    checks
        One per assumption and test, as :class:`Check`.
    skipped
        What was not looked at, and why: pairs of assumption and reason.
    notes
        Where a cheaper test stands for an exact one.
    design, fit, origin
        What was checked.
    """

    checks: tuple[Check, ...]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    design: Design
    fit: Fit
    origin: Origin

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __len__(self) -> int:
        return len(self.checks)

    def __getitem__(self, assumption: str) -> Check:
        for check in self.checks:
            if check.assumption == assumption:
                return check
        known = ", ".join(repr(check.assumption) for check in self.checks)
        raise KeyError(f"there is no check of {assumption!r}; there are {known}")

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        found = {check.verdict for check in self.checks}
        return "violated" if "violated" in found else "look" if "look" in found else "fine"

    def frame(self) -> NativeFrame:
        """``assumption test verdict evidence remedy``, a row per check."""
        columns = {
            name: [getattr(check, name) for check in self.checks]
            for name in ("assumption", "test", "verdict", "evidence", "remedy")
        }
        return frame(self.origin, columns)

    def plot(
        self,
        lang: Literal["en", "zh"] = "en",
        *,
        group: str | None = None,
        labels: Mapping[str, str] | None = None,
        figure: Figure | SubFigure | None = None,
    ) -> Figure | SubFigure:
        """All panels of checks in one figure, with the verdicts in their titles.

        Parameters
        ----------
        lang, group, labels, figure
            As in :func:`mixwell.plots.check_panel`.
        """
        plots = pictures.FitPlots(self.design, self.fit)(lang=lang, labels=labels)
        return plots.check(group, verdicts=self.panels, figure=figure)

    @property
    def panels(self) -> Mapping[str, Verdict]:
        """Panel -> the worst verdict of its checks."""
        order = ("fine", "look", "violated")
        worst: dict[str, Verdict] = {}
        for check in self.checks:
            for panel in check.panels:
                worst[panel] = max(check.verdict, worst.get(panel, "fine"), key=order.index)
        return worst

    def __str__(self) -> str:
        lines = [*wrap(f"Checks of {self.design.formula}", indent="    ", breaks="~+*/|"), ""]
        lead = max((len(check.assumption) for check in self.checks), default=0)
        for check in self.checks:
            start = f"{pad(check.verdict, 8)}  {pad(check.assumption, lead)}  "
            room = WIDTH - len(start)
            evidence = wrap(check.evidence, width=room)
            lines.append(start + evidence[0])
            lines += [" " * len(start) + rest for rest in evidence[1:]]
        todo = [check for check in self.checks if check.verdict != "fine"]
        for check in todo:
            lines += ["", *wrap(f"{check.assumption}: {check.meaning}", indent="  ")]
            lines += [
                f"  {line}" for line in wrap(check.remedy, indent="    ", breaks="~+*(|,", width=WIDTH - 2)
            ]
        if self.notes or self.skipped:
            lines.append("")
        for note in self.notes:
            lines += wrap(note, indent="  ")
        for assumption, reason in self.skipped:
            lines += wrap(f"Not checked: {assumption}. {reason}", indent="  ")
        return "\n".join(line.rstrip() for line in lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [(c.assumption, c.verdict, c.evidence, c.remedy) for c in self.checks]
        return html_table("Checks", ("assumption", "verdict", "evidence", "remedy"), rows, text_columns=4)


def check(design: Design, fit: Fit, at: Origin) -> Checks:
    """Runs every check that applies; see ``LmerResult.check``."""
    remedies = Remedies(design, fit)
    checks: list[Check] = [
        assumptions.converged(design, fit),
        assumptions.regular(design, fit),
        assumptions.enough_groups(design, fit),
        assumptions.continuous(design, fit, remedies),
    ]
    skipped: list[tuple[str, str]] = []
    notes: list[str] = []

    def run(assumption: str, work: Callable[..., Check | list[Check]], *arguments: object) -> None:
        try:
            found = work(design, fit, *arguments)
        except (ModelError, DataError, ConvergenceError) as error:
            skipped.append((assumption, str(error)))
            return
        checks.extend(found if isinstance(found, list) else [found])

    names = [factor.name for factor in design.factors]
    run("linear mean", assumptions.linear, remedies)
    run("no slope missing", assumptions.slopes, remedies, notes)
    for i, name in enumerate(names):
        if mean.both_ways(design, fit, i):
            run(f"same effects in {name}", assumptions.same_within_and_between, i, remedies)
    run("normal residuals", assumptions.normal_residuals, remedies)
    run("normal random effects", assumptions.normal_effects)
    run("equal variance", assumptions.equal_variance, remedies, notes)
    for name in names:
        run(f"equal variance by {name}", assumptions.equal_variance_by_group, name, remedies)
    run("independent in order", assumptions.independence, remedies, notes)
    run("no outlying rows", assumptions.no_outliers, at)
    for i, name in enumerate(names):
        run(f"no outlying {name}", assumptions.no_outlying_groups, at, i)
    for i, name in enumerate(names):
        run(f"no influential {name}", assumptions.no_influential_group, at, i, notes)
    if design.n_obs * assumptions.DRAWS <= _SIMULATE_ROWS:
        run("distribution as fitted", assumptions.simulated)
    else:
        skipped.append(
            (
                "distribution as fitted",
                "Simulation was spared with so many rows; fit.diagnostics.quantile_residuals() runs it.",
            )
        )
    if design.n_obs > assumptions.MANY_ROWS:
        notes.append(
            f"With {design.n_obs} rows a significant deviation counts only if it is large enough to matter."
        )
    return Checks(tuple(checks), tuple(skipped), tuple(notes), design, fit, at)
