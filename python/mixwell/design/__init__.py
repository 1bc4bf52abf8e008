"""The frozen design: everything the numerics need, and all that new data needs."""

from mixwell.design.record import Design, GroupingFactor, RandomTerm

__all__ = ["Design", "GroupingFactor", "RandomTerm"]
