"""The result of a fit, by what is asked of it. Every method delegates."""
