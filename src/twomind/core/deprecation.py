"""One minor version's notice: what goes away warns first, and says what to use in its place."""

from __future__ import annotations

import warnings


class Deprecated(FutureWarning):
    """Something that goes with the next minor version. Python shows it once for each place."""


def warn_deprecated(what: str, instead: str, since: str) -> None:
    """Warn whoever called a public function, or set a public option, that goes away.

    What warns since ``0.3`` is removed in ``0.4``; a test fails when it is still there then.

    Args:
        what: the name that goes: a function, a parameter, an option, a column.
        instead: what to use in its place.
        since: the minor version that warns first, such as ``"0.3"``.

    Raises:
        ValueError: ``since`` is not a minor version.

    Example:
        >>> import warnings
        >>> from twomind.core.deprecation import Deprecated, warn_deprecated
        >>> with warnings.catch_warnings(record=True) as told:
        ...     warnings.simplefilter("always", Deprecated)
        ...     warn_deprecated("score(split=...)", "score(part=...)", since="0.3")
        >>> print(told[0].message)
        score(split=...) goes away in 0.4; use score(part=...)
    """
    goes = ".".join(str(part) for part in removed_in(since))
    # The caller of the function that calls this one.
    warnings.warn(f"{what} goes away in {goes}; use {instead}", Deprecated, stacklevel=3)


def removed_in(since: str) -> tuple[int, int]:
    """The minor version in which what warns since ``since`` is no longer there.

    Raises:
        ValueError: ``since`` is not a minor version.
    """
    major, dot, minor = since.partition(".")
    if not (dot and major.isdecimal() and minor.isdecimal()):
        raise ValueError(f"since: expected a minor version such as '0.3', got {since!r}")
    return int(major), int(minor) + 1
