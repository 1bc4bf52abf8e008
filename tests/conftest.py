"""Shared settings of the tests."""

from hypothesis import settings

# The same examples in every run; no deadline, since machines under test are shared and slow at times.
settings.register_profile("mixwell", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("mixwell")
