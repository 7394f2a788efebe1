"""Failures by class. Each class has one exit code, so a script can tell them apart.

====  =======================  ==========================================
code  class                    meaning
====  =======================  ==========================================
0     --                       done
1     --                       a defect of twomind itself
2     (click)                  the command was misspelt
3     :class:`BadInput`        a file or value cannot be used
4     :class:`MissingExtra`    an optional part is not installed
5     :class:`MissingWeights`  a model file is absent or damaged
6     :class:`Offline`         the network was needed and is not allowed
7     :class:`Partial`         some items of a batch failed, the rest is done
8     :class:`Environment`     the machine gave out: disk, memory, open files
130   (interrupt)              stopped by the user; run again to resume
====  =======================  ==========================================
"""

from __future__ import annotations

import errno

#: What Python raises for values that no reader can use: numbers beyond any range, and nesting
#: beyond its stack.
UNREADABLE = (ValueError, OverflowError, RecursionError)


def quoted(value: object, limit: int = 80) -> str:
    """A value of a file as Python writes it, cut to ``limit`` characters.

    Args:
        value: anything.
        limit: characters.

    Example:
        >>> from twomind.core.errors import quoted
        >>> quoted("a" * 100, limit=10)
        "'aaaaaa..."
    """
    try:
        return shortened(repr(value), limit)
    except UNREADABLE:
        return f"a value of type {type(value).__name__} that is too long to show"


def shortened(text: object, limit: int = 500) -> str:
    """A text that may hold something from a file, cut to ``limit`` characters.

    Args:
        text: anything; its ``str`` is taken.
        limit: characters.

    Example:
        >>> from twomind.core.errors import shortened
        >>> shortened("abcdefghijkl", limit=8)
        'abcde...'
    """
    whole = str(text)
    return whole if len(whole) <= limit else f"{whole[: limit - 3]}..."


class TwomindError(Exception):
    """Base of all expected failures. The message says what was expected, what came, and
    what to do.

    Example:
        >>> import twomind as tm
        >>> try:
        ...     tm.open_recording("absent.mp4")
        ... except tm.TwomindError as error:
        ...     print(error.exit_code, error)
        3 absent.mp4: ...
    """

    exit_code = 1
    kind = "error"


class BadInput(TwomindError):
    """A file or a value that cannot be used.

    Example:
        >>> from twomind.core.errors import BadInput
        >>> BadInput("people.csv: expected the column subject").exit_code
        3
    """

    exit_code = 3
    kind = "bad_input"


class MissingExtra(TwomindError):
    """An optional dependency is absent.

    Args:
        extra: the optional part, as ``pip`` calls it.
        needed_for: what needs it.

    Example:
        >>> from twomind.core.errors import MissingExtra
        >>> print(MissingExtra("torch", "a recogniser on embeddings"))
        a recogniser on embeddings needs the optional part 'torch'. Install it with: pip install 'twomind[torch]'
    """

    exit_code = 4
    kind = "missing_extra"

    def __init__(self, extra: str, needed_for: str) -> None:
        self.extra = extra
        how = f"pip install 'twomind[{extra}]'"
        super().__init__(f"{needed_for} needs the optional part '{extra}'. Install it with: {how}")


class MissingWeights(TwomindError):
    """A model file is absent, incomplete or does not match its checksum.

    Example:
        >>> from twomind.core.errors import MissingWeights
        >>> MissingWeights("model.safetensors: damaged").exit_code
        5
    """

    exit_code = 5
    kind = "missing_weights"


class Offline(TwomindError):
    """The network was needed although ``--offline`` (or ``TWOMIND_OFFLINE=1``) forbids it.

    Example:
        >>> from twomind.core.errors import Offline
        >>> Offline("fetching weights needs the network").exit_code
        6
    """

    exit_code = 6
    kind = "offline"


class Environment(TwomindError):
    """The machine gave out, not the file: a full disk, no memory, too many open files.

    Example:
        >>> from twomind.core.errors import Environment
        >>> Environment("out of memory").kind
        'environment'
    """

    exit_code = 8
    kind = "environment"


class Partial(TwomindError):
    """Some items of a batch failed; everything else was done and written.

    Example:
        >>> from twomind.core.errors import Partial
        >>> Partial("1 of 20 recordings failed").exit_code
        7
    """

    exit_code = 7
    kind = "partial"


class Unsealed(UserWarning):
    """A saved file carries no checksum, as those of 0.1.

    Example:
        >>> import warnings
        >>> from twomind.core.errors import Unsealed
        >>> warnings.simplefilter("error", Unsealed)  # a model without a checksum is refused
    """


#: What the system says when the machine gave out.
_GAVE_OUT = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOLCK,
    }
)


def while_doing(what: str, error: Exception) -> str:
    """What to say of an error, with what was being done before it; said once, whoever says it first.

    Args:
        what: was being done, e.g. ``speech recognition``.
        error: The error.

    Example:
        >>> from twomind.core.errors import BadInput, while_doing
        >>> while_doing("speech recognition", BadInput("speech recognition: no GPU is seen"))
        'speech recognition: no GPU is seen'
    """
    told = str(error)
    return told if told.startswith(what) else f"{what}: {told}"


def of_system(error: OSError | MemoryError) -> TwomindError:
    """A failure of the system by class: the machine gave out, or a path cannot be used. The message
    names the path once.

    Args:
        error: what Python raised.

    Returns:
        :class:`Environment` where the machine gave out, else :class:`BadInput`.

    Example:
        >>> import errno
        >>> from twomind.core.errors import of_system
        >>> of_system(OSError(errno.ENOSPC, "No space left on device", "out.csv")).kind
        'environment'
    """
    if isinstance(error, MemoryError):
        return Environment("out of memory; give the machine more, or use fewer --workers")
    why = error.strerror or str(error)
    told = f"{_text(error.filename)}: {why}" if error.filename else why
    if error.errno in _GAVE_OUT:
        return Environment(f"{told}. Make room, and run the same command again to go on.")
    return BadInput(f"{told}. Check the path and its permissions.")


def _text(path: object) -> str:
    return path.decode(errors="backslashreplace") if isinstance(path, bytes) else str(path)
