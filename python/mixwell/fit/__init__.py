"""From a design to a frozen fit, and what follows from it."""
