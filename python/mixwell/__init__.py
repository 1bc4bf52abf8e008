"""Linear mixed-effects models."""
