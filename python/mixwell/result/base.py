"""What every part of a result reads: the design, the fit, the kind of frame to answer in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixwell.data.output import Origin, output_kind
from mixwell.design.record import Design
from mixwell.fit import quantities
from mixwell.fit.control import Control
from mixwell.fit.record import Fit

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Fitted:
    """A design and its fit; see :class:`mixwell.LmerResult`."""

    design: Design
    fit: Fit
    control: Control | None = None

    def _labelled(self, values: FloatArray, name: str) -> pd.Series[float]:
        index = list(quantities.kept_names(self.design, self.fit))
        return pd.Series(values.copy(), index=index, name=name)

    @property
    def _origin(self) -> Origin:
        rows = self.design.rows
        return Origin("pandas", None) if rows is None else Origin(output_kind(rows.kind), rows.labels)
