"""Results as a data frame of the caller's own kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import narwhals as nw
import numpy as np
import pandas as pd

from mixwell.data.frame import FrameKind
from mixwell.errors import DataError


def to_native(
    columns: Mapping[str, np.ndarray | Sequence[object]],
    kind: FrameKind,
    index: pd.Index | None = None,
) -> object:
    """A data frame of some kind from columns.

    Parameters
    ----------
    columns
        Name -> values, all of one length.
    kind
        ``"pandas"`` (also for data given as a dict), ``"polars"`` or ``"pyarrow"``.
    index
        Row labels, used for pandas only.

    Examples
    --------
    >>> to_native({"term": ["Days"], "estimate": np.array([10.467])}, "pandas")
       term  estimate
    0  Days    10.467
    """
    if kind == "pandas":
        return pd.DataFrame(dict(columns), index=index)
    if kind not in ("polars", "pyarrow"):
        raise DataError(f"There is no frame kind {kind!r}; it is one of 'pandas', 'polars', 'pyarrow'.")
    # Object arrays of text are lists to polars and pyarrow.
    plain = {
        name: values.tolist() if isinstance(values, np.ndarray) and values.dtype == object else values
        for name, values in columns.items()
    }
    return nw.from_dict(plain, backend=kind).to_native()
