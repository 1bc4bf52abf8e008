"""The sections of a report, each from an account to its blocks."""
