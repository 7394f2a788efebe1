"""Rows that are too many for the memory, in a temporary file."""

from __future__ import annotations

import tempfile

import numpy as np
import numpy.typing as npt

from twomind.core.files import naming
from twomind.core.scratch import scratch_file
from twomind.types.plain import Array


class Spool:
    """Rows appended to a temporary file and read back memory-mapped: memory stays flat however long
    the video is.
    """

    def __init__(
        self,
        row_shape: tuple[int, ...],
        dtype: npt.DTypeLike = np.float32,
        buffer_rows: int = 512,
    ) -> None:
        self._shape, self._dtype = tuple(row_shape), np.dtype(dtype)
        self._file = scratch_file("twomind-spool-")
        self._buffer: list[Array] = []
        self._buffer_rows = buffer_rows
        self._buffered = 0
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def append(self, rows: Array) -> None:
        """Append ``rows (n, *row_shape)``."""
        rows = np.array(rows, self._dtype, copy=True)
        if rows.shape[1:] != self._shape:
            raise ValueError(f"Spool: expected rows (n, {self._shape}), got {rows.shape}")
        self._buffer.append(rows)
        self._buffered += len(rows)
        self._n += len(rows)
        if self._buffered >= self._buffer_rows:
            self._flush()

    def _flush(self) -> None:
        with naming(tempfile.gettempdir()):
            for rows in self._buffer:
                self._file.write(np.ascontiguousarray(rows).tobytes())
            self._file.flush()
        self._buffer, self._buffered = [], 0

    def read(self) -> Array:
        """All rows ``(n, *row_shape)``, memory-mapped read-only."""
        self._flush()
        if not self._n:
            return np.empty((0, *self._shape), self._dtype)
        return np.memmap(self._file, self._dtype, "r", shape=(self._n, *self._shape))

    def close(self) -> None:
        self._file.close()
