"""Names for what has no narrower type: arrays of any numbers, and what JSON can hold.

Only these may stand for ``Any`` in :mod:`twomind.types` and :mod:`twomind.core`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

#: An array of any shape and any numbers; shapes and units stand in the docstrings.
Array: TypeAlias = "np.ndarray[tuple[Any, ...], np.dtype[Any]]"  # type: ignore[explicit-any]
#: What was read from JSON, YAML or TOML, or made by another library.
Foreign: TypeAlias = Any  # type: ignore[explicit-any]
#: An object of JSON: text, numbers, lists and objects by name.
Plain: TypeAlias = dict[str, Foreign]
