"""Exceptions and warnings of mixwell. Each says what, where, and what to do."""


class MixwellError(Exception):
    """Base of every error that mixwell raises on purpose."""


class FormulaError(MixwellError, ValueError):
    """The formula cannot be read, or asks for something that does not exist."""


class DataError(MixwellError, ValueError):
    """The data cannot be used as given: wrong type, length, value or name."""


class ModelError(MixwellError, ValueError):
    """Formula and data are well formed but do not identify a model."""


class TooFewLevelsError(ModelError):
    """Fewer than two levels of a grouping factor are left."""


class NewLevelsError(DataError):
    """New data holds levels of a factor that the fit has not seen."""


class ResourceError(MixwellError, MemoryError):
    """The model or what is asked of it needs more memory than can be had."""


class ConvergenceError(MixwellError, RuntimeError):
    """The kernel could not evaluate or optimize the criterion."""


class MixwellWarning(UserWarning):
    """Base of every warning of mixwell."""


class ConvergenceWarning(MixwellWarning):
    """The certificate of the optimum did not pass."""


class SingularFitWarning(MixwellWarning):
    """A covariance matrix of random effects is singular at the optimum."""


class RankDeficiencyWarning(MixwellWarning):
    """Aliased columns of the fixed part were dropped, or rows are asked for that need them."""


class UnidentifiedWarning(MixwellWarning):
    """Variances that the data do not, or hardly, identify."""
