"""Looking at grouped data before modelling: summaries, structure, intraclass correlation, time coding."""

from mixwell.explore.cells import describe

__all__ = ["describe"]
