"""Tests, intervals and contrasts of a fit: one engine, :mod:`~mixwell.inference.degrees_of_freedom`."""
