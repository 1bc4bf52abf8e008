"""Words of a language, and numbers as they stand in its sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Literal

from mixwell.arguments import check_one_of
from mixwell.report import words_en, words_zh
from mixwell.text import number

Lang = Literal["en", "zh"]

SENTENCES: Mapping[str, Mapping[str, str]] = {"en": words_en.SENTENCES, "zh": words_zh.SENTENCES}
# Around code in a sentence: characters for private use, which no text has.
CODE, END = "\ue000", "\ue001"
# More names than this are not listed one by one.
MOST_LISTED = 8


def fields_of(template: str) -> set[str]:
    """Names of the fields of a template.

    >>> sorted(fields_of("{n} rows in {groups}"))
    ['groups', 'n']
    """
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


@dataclass(frozen=True, slots=True)
class Words:
    """Templates of one language: what is said, and how it is joined.

    Attributes
    ----------
    lang
        ``"en"`` or ``"zh"``; also the ``lang`` attribute of a page.
    sentences
        Key -> template with named fields. Every language has the same keys with the same fields.
    """

    lang: Lang
    sentences: Mapping[str, str]

    def say(self, key: str, **fields: str) -> str:
        """A template with all its fields filled in; a field too few or too many is an error."""
        template = self.sentences[key]
        if fields_of(template) != set(fields):
            raise KeyError(f"the text {key!r} has the fields {sorted(fields_of(template))}")
        return template.format(**fields)

    def listed(self, parts: Sequence[str], most: int = MOST_LISTED, joint: str = "and") -> str:
        """``a, b and c``, or with another ``joint``; of many the first ones and the number of the others."""
        if len(parts) > most:
            shown = self.sentences["comma"].join(parts[: most - 1])
            return self.say("and_others", names=shown, n=str(len(parts) - most + 1))
        if len(parts) < 2:
            return "".join(parts)
        return self.say(joint, first=self.sentences["comma"].join(parts[:-1]), last=parts[-1])

    def clauses(self, parts: Sequence[str]) -> str:
        """The same of clauses, ``sex is Male and age is 0``, however many."""
        return self.listed(parts, len(parts), "and_clauses")

    def joined(self, sentences: Sequence[str]) -> str:
        """Sentences as a paragraph; Chinese has no blanks between them."""
        return ("" if self.lang == "zh" else " ").join(sentence for sentence in sentences if sentence)

    def interval(self, low: str, high: str, level: float) -> str:
        """``95% CI 1.2 to 3.4``."""
        return self.say("interval", level=percent(level), low=low, high=high)

    def p(self, p_value: float) -> str:
        """``p = 0.031``, ``p < 0.001``."""
        return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def words(lang: str) -> Words:
    """The words of a language.

    Raises
    ------
    MixwellError
        If there are none.

    Examples
    --------
    >>> words("en").listed(["a", "b", "c"])
    'a, b and c'
    """
    check_one_of("lang", lang, SENTENCES)
    return Words("zh" if lang == "zh" else "en", SENTENCES[lang])


def percent(share: float) -> str:
    """A share in percent with no more digits than it needs.

    >>> percent(0.95), percent(0.995), percent(0.0004), percent(2e-31)
    ('95%', '99.5%', '0.04%', '0%')
    """
    return f"{round(100 * share, 3):.3g}%"


def share(part: float) -> str:
    """A part of a variance, or a relative change, in percent with one decimal.

    >>> share(0.42), share(0.00002), share(1e-31)
    ('42.0%', '<0.1%', '0%')
    """
    return "0%" if part < 1e-9 else "<0.1%" if part < 0.0005 else f"{100 * part:.1f}%"


def code(text: str) -> str:
    """Code or a coefficient's name within a sentence, marked for pages; :func:`unmarked` undoes it."""
    return f"{CODE}{text}{END}"


def unmarked(sentence: str) -> str:
    """A sentence without marks, as text.

    >>> unmarked(f"see {code('fit.summary()')}.")
    'see fit.summary().'
    """
    return sentence.replace(CODE, "").replace(END, "")


def plain(value: float) -> str:
    """A value of the data, without zeros that say nothing.

    >>> plain(2.0), plain(0.125), plain(1234567.0)
    ('2', '0.125', '1234567')
    """
    return f"{value:.7g}" if value == 0 or 1e-4 <= abs(value) < 1e9 else number(value)


def alike(values: Sequence[float], std_error: float) -> list[str]:
    """Values of one sentence, to the same place: three digits of their standard error.

    >>> alike([10.46729, 7.4, 13.535], 1.5458), alike([0.0004, -0.00002], 0.012)
    (['10.47', '7.40', '13.54'], ['0.0004', '0.0000'])
    >>> alike([1.23456789e9, 1.2e9], 1e7)
    ['1.2346e+09', '1.2000e+09']
    """
    if not (all(map(math.isfinite, values)) and math.isfinite(std_error) and std_error > 0):
        return [number(value) for value in values]
    place = math.floor(math.log10(std_error)) - 2
    if place >= -7 and max(map(abs, values)) < 1e9:
        # Zero is added so that what is rounded to zero has no sign.
        return [f"{round(value, max(-place, 0)) + 0.0:.{max(-place, 0)}f}" for value in values]
    return [
        "0" if value == 0 else f"{value:.{max(math.floor(math.log10(abs(value))) - place, 0)}e}"
        for value in values
    ]


def beside(value: float, std_error: float) -> str:
    """A value with as many decimals as three digits of its standard error have.

    >>> beside(10.46729, 1.5458), beside(0.0, 0.0), beside(1234567.0, 1000.0)
    ('10.47', '0', '1234567')
    """
    return "0" if value == 0 else alike([value], std_error)[0]


def p_short(p_value: float) -> str:
    """A p-value in a table.

    >>> p_short(0.03123), p_short(2e-9)
    ('0.031', '<0.001')
    """
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"
