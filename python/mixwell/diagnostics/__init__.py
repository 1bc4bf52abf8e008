"""What fits and what does not: residuals, tests, influence, checks, robust covariance. Loaded when used."""
