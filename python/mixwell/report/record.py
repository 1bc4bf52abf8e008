"""What a report consists of, before it has a format."""

from __future__ import annotations

from dataclasses import dataclass

from mixwell.report.equation import Equation
from mixwell.report.formats import Table


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """Sentences that each stand for themselves."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Lines to run."""

    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where figures go, by name; see :mod:`mixwell.report.figures`."""

    figures: tuple[str, ...]


Block = Paragraph | Bullets | Table | Equation | Code | Place


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it; ``key`` is the same in every language."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Narrative:
    """The whole account: a title and its sections."""

    title: str
    sections: tuple[Section, ...]

    def section(self, key: str) -> Section:
        """The section of that name."""
        return next(section for section in self.sections if section.key == key)
