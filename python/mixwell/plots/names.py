"""Names on a picture: their width, their lines, and short forms of long ones that stay apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mixwell.text import display_width, shorten

# Points that a column of small text takes; a Chinese character takes two columns.
COLUMN = 4.9


def text_width(text: str) -> float:
    """About how many points the widest line of a small text takes.

    Examples
    --------
    >>> text_width("汉") == text_width("ab") == text_width("a\\nbc")
    True
    """
    return max(display_width(line) for line in text.split("\n")) * COLUMN


def wrapped(text: str, points: float) -> str:
    """A text in lines of at most ``points``; Chinese, which has no blanks, breaks anywhere.

    A word that is a third wider by itself loses its middle.

    Examples
    --------
    >>> wrapped("Residuals against fitted values", 90.0)
    'Residuals against\\nfitted values'
    """
    columns = max(int(points / COLUMN), 4)
    lines = [""]
    for word in re.findall(r"[^\s\u2e80-\uffff]+\s*|[\u2e80-\uffff]\s*|\s+", text):
        if lines[-1] and display_width(lines[-1] + word.rstrip()) > columns:
            lines.append("")
        lines[-1] += word
    return "\n".join(shorten(line.strip(), columns + columns // 3) for line in lines)


def short_names(names: Iterable[object], most: int) -> list[str]:
    """Names of at most ``most`` columns, as different from each other as they were.

    The middle of a long name is left out. Where that makes two the same, what all long names begin with goes
    first, and where it still does, names get longer.

    Examples
    --------
    >>> short_names(["a", "a very long name of a level"], 11)
    ['a', 'a ver…level']
    >>> short_names(["Patient number 1 of ward A", "Patient number 2 of ward A"], 9)
    ['…1 o…rd A', '…2 o…rd A']
    """
    texts = [" ".join(str(name).split()) for name in names]
    if all(display_width(text) <= most for text in texts):
        return texts
    different = len(set(texts))
    long = [text for text in texts if display_width(text) > most]
    # The first and last in order share what all of them share; words are not cut.
    first, last = min(long), max(long)
    alike = next((i for i, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), 0)
    alike = len(re.sub(r"\w*$", "", first[:alike]))
    bare = ["…" + text[alike:] if alike and display_width(text) > most else text for text in texts]
    for candidates in (texts, bare):
        cut = [shorten(text, most) for text in candidates]
        if len(set(cut)) == different:
            return cut
    return short_names(texts, most + 4)


def listed(names: Sequence[str], most: int) -> tuple[str, int]:
    """The first ``most`` names, a line each three, and how many are left."""
    shown = names[:most]
    lines = ",\n".join(", ".join(shown[i : i + 3]) for i in range(0, len(shown), 3))
    return lines, len(names) - len(shown)
