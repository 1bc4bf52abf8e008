"""Data frames of any kind: columns in, missing values, factor levels, frames out."""
