"""Modules that are loaded at first use, so that importing mixwell stays light."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


class LazyModule(ModuleType):
    """Stands for a module and loads it when an attribute is asked for."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)


def lazy_module(name: str) -> ModuleType:
    """A stand-in for the module ``name``.

    Where it is used, the type checker is told of the module itself::

        if TYPE_CHECKING:
            from mixwell.inference import profile
        else:
            profile = lazy_module("mixwell.inference.profile")

    Examples
    --------
    >>> fractions = lazy_module("fractions")
    >>> fractions.Fraction(6, 4)
    Fraction(3, 2)
    """
    return LazyModule(name)
