"""What a picture does not draw is said on it, and, where the caller did not choose it, in a warning."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from mixwell.design.record import Design
from mixwell.errors import MixwellWarning
from mixwell.plots.words import Words


def with_other_factors(title: str, design: Design, drawn: int, group: str | None, text: Words) -> str:
    """A title that names the factors not drawn, where none was asked for and the model has several."""
    others = [text.name(factor.name) for i, factor in enumerate(design.factors) if i != drawn]
    if group is not None or not others:
        return title
    return text.say("{title} (group= for {names})", title=title, names=text.list(others))


def say_left_out(
    title: str, names: Sequence[str], argument: str, text: Words, everything: int, what: str = ""
) -> str:
    """A title with how many of all are drawn; a warning names those that are not, and the remedy."""
    if not names:
        return title
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    warnings.warn(
        f"The picture leaves out {shown}; {argument} draws what it names.", MixwellWarning, stacklevel=5
    )
    count = text.count(everything - len(names), everything)
    if what:
        count = text.say("{count} {what}", count=count, what=what)
    return text.say("{title} ({count})", title=title, count=count)
