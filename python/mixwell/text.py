"""Aligned plain text: display widths, number columns, tables that never exceed the page."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

WIDTH = 79


def display_width(text: str) -> int:
    """Columns that ``text`` takes in a terminal: East Asian wide characters count two, combining marks none.

    >>> display_width("weight"), display_width("体重")
    (6, 4)
    """
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill with blanks to ``width`` columns, on the left if ``right`` (text flush right)."""
    blanks = " " * (width - display_width(text))
    return blanks + text if right else text + blanks


def shorten(text: str, width: int) -> str:
    """Cut the middle out of a text wider than ``width`` columns: names differ at their ends.

    >>> shorten("a_rather_long_name_of_a_column", 15)
    'a_rathe…_column'
    """
    if display_width(text) <= width:
        return text
    head = (width - 1) // 2 + (width - 1) % 2
    tail = width - 1 - head
    left, right = list(text), list(text)
    while display_width("".join(left)) > head:
        left.pop()
    while display_width("".join(right)) > tail:
        right.pop(0)
    return "".join(left) + "…" + "".join(right)


def fold(text: str, width: int) -> list[str]:
    """Break a text into pieces of at most ``width`` columns, anywhere."""
    pieces: list[str] = []
    piece, used = "", 0
    for character in text:
        w = display_width(character)
        if used + w > width:
            pieces.append(piece)
            piece, used = "", 0
        piece += character
        used += w
    pieces.append(piece)
    return pieces


# What a line may be broken between: Chinese characters, each with marks not to start or end a line; runs of
# anything else; blanks. In a narrow column names too, before a bracket and after a colon.
_CHINESE = r"\u2e80-\u9fff\uff00-\uffef\u3000-\u303f"
_CLOSING = "，。；：、）”！？"
_UNITS = re.compile(rf"[（“]*(?:[{_CHINESE}]|[^\s“{_CHINESE}]+)[{_CLOSING}]*|\s+")
_NARROW_UNITS = re.compile(rf"[（“]*(?:[{_CHINESE}]|\[?[^\s:\[“{_CHINESE}]+|[\[:])[:{_CLOSING}]*|\s+")


def flow(text: str, width: int = WIDTH, indent: str = "", *, narrow: bool = False) -> list[str]:
    """Lines of at most ``width`` columns, broken at blanks and between Chinese characters, not in words.

    In a ``narrow`` column the names of coefficients are broken too.

    >>> flow("体重" * 19 + "的均值为12.345。")[1]
    '均值为12.345。'
    """
    if display_width(text) <= width:
        return [text]
    lines: list[str] = []
    line = ""
    for unit in (_NARROW_UNITS if narrow else _UNITS).findall(text):
        if display_width(line + unit.rstrip()) <= width:
            line += unit
            continue
        if line.strip():
            lines.append(line.rstrip())
        *full, rest = fold(unit.lstrip(), width - display_width(indent))
        lines += [indent + part for part in full]
        line = indent + rest
    return [*lines, line.rstrip()]


def wrap(text: str, *, indent: str = "", breaks: str = "", width: int = WIDTH) -> list[str]:
    """Break a text at blanks into lines of at most ``width`` columns; all but the first are indented.

    Words too long for a line are broken after the characters ``breaks``, if that does not help anywhere.

    >>> wrap("weight~treatment*sex+litter_size", indent="  ", breaks="~+*", width=20)
    ['weight~treatment*', '  sex+litter_size']
    """
    pieces: list[str] = []
    for word in text.split(" "):
        parts = [word]
        if breaks and display_width(indent + word) > width:
            parts = re.findall(f"[^{re.escape(breaks)}]*[{re.escape(breaks)}]?", word)
        pieces += [f" {parts[0]}" if pieces else parts[0], *(part for part in parts[1:] if part)]
    lines: list[str] = []
    line = ""
    for piece in pieces:
        if display_width(line + piece) <= width:
            line += piece
            continue
        if line.strip():
            lines.append(line)
        *full, rest = fold(piece.lstrip(), width - display_width(indent))
        lines += [indent + part for part in full]
        line = indent + rest
    return [*lines, line]


def number(value: float, digits: int = 4) -> str:
    """One number with about ``digits`` significant digits; never in a form that hides its size.

    >>> number(251.4051), number(0.000012345), number(1234567.8)
    ('251.4', '1.234e-05', '1234568')
    """
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return str(value)
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -4 or exponent > 7:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(digits - 1 - exponent, 0)}f}"


def number_column(values: Sequence[float | None], digits: int = 4, *, widest: int = 11) -> list[str]:
    """Format numbers alike: as many decimals as the smallest needs for ``digits`` significant digits.

    Where that would need more than ``widest`` characters, each number is formatted by itself. None is blank.

    >>> number_column([251.405, 10.467])
    ['251.41', ' 10.47']
    >>> number_column([1.5e9, 2.5e-6])
    ['1.500e+09', '2.500e-06']
    """
    finite = [abs(v) for v in values if v is not None and math.isfinite(v) and v != 0]
    decimals = 0
    if finite:
        decimals = max(digits - 1 - math.floor(math.log10(min(finite))), 0)
    cells = ["" if v is None else f"{v:.{decimals}f}" for v in values]
    if max((len(c) for c in cells), default=0) > widest or decimals > 6:
        cells = ["" if v is None else number(v, digits) for v in values]
    width = max((len(c) for c in cells), default=0)
    return [c.rjust(width) for c in cells]


def table(
    names: Sequence[str],
    columns: Sequence[tuple[str, Sequence[str]]],
    *,
    heading: str = "",
    indent: int = 0,
    gap: int = 1,
) -> list[str]:
    """Lines of a table: names flush left, columns of ready cells flush right under their titles.

    A name that does not fit beside the columns stands on its own line above its numbers.
    """
    widths = [max(display_width(t), *(display_width(c) for c in cells), 0) for t, cells in columns]
    room = WIDTH - indent - sum(w + gap for w in widths)
    name_width = max([display_width(heading), *(display_width(n) for n in names if display_width(n) <= room)])
    lead = " " * indent

    def row(name: str, cells: Sequence[str]) -> str:
        body = "".join(" " * gap + pad(c, w, right=True) for c, w in zip(cells, widths, strict=True))
        return (lead + pad(name, name_width) + body).rstrip()

    lines = [row(heading, [t for t, _ in columns])]
    for i, name in enumerate(names):
        cells = [c[i] for _, c in columns]
        if display_width(name) <= room:
            lines.append(row(name, cells))
        else:
            lines += [lead + piece for piece in fold(name, WIDTH - indent)]
            lines.append(row("", cells))
    return lines


def with_notes(table: str, notes: Sequence[str]) -> str:
    """A printed table, and remarks below it."""
    return "\n".join([table, *([""] if notes else []), *(line for note in notes for line in wrap(note))])


def abbreviate(names: Sequence[str], minlength: int) -> list[str]:
    """Short names that stay distinct: lower-case vowels go first, then lower-case letters, from the right.

    The first character of each word stays. Names that would coincide keep more characters.

    >>> abbreviate(["(Intercept)", "Days"], 6)
    ['(Intr)', 'Days']
    """
    short = {name: _abbreviate_one(name, minlength) for name in names}
    length = minlength
    while len(set(short.values())) < len(short) and length < 200:
        length += 1
        counts = list(short.values())
        for name, abbreviation in short.items():
            if counts.count(abbreviation) > 1:
                short[name] = _abbreviate_one(name, length)
    return [short[name] for name in names]


def _abbreviate_one(name: str, minlength: int) -> str:
    characters = list(name.strip())
    starts = {i for i, c in enumerate(characters) if i == 0 or characters[i - 1] == " "}
    keep = [c != " " for c in characters]

    def width() -> int:
        return display_width("".join(c for c, k in zip(characters, keep, strict=True) if k))

    for removable in (
        lambda c: c in "aeiou",
        lambda c: c.islower(),
        lambda c: True,
    ):
        for i in range(len(characters) - 1, -1, -1):
            if width() <= minlength:
                return "".join(c for c, k in zip(characters, keep, strict=True) if k)
            if keep[i] and i not in starts and removable(characters[i]):
                keep[i] = False
    return "".join(c for c, k in zip(characters, keep, strict=True) if k)
