"""Names for arrays in annotations."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

#: A numpy array; its shape and what it holds are said beside it.
Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
