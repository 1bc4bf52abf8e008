"""Design -> frozen Fit."""

from mixwell.fit.control import Control
from mixwell.fit.record import Certificate, Curvature, Fit, TermCertificate, Trace
from mixwell.fit.solve import linear_predictor, solve

__all__ = [
    "Certificate",
    "Control",
    "Curvature",
    "Fit",
    "TermCertificate",
    "Trace",
    "linear_predictor",
    "solve",
]
