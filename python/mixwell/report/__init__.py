"""Text, tables and pages about a fit."""
