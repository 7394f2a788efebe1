"""How Ctrl-C ends the program where nothing can be tidied up. It imports nothing but what Python
has at its start.
"""

import os

#: Exit code after Ctrl-C.
INTERRUPTED = 130
INTERRUPTED_MESSAGE = (
    "twomind: interrupted; what was finished is kept. Run the same command again to go on.\n"
)


def tell_and_end(*_: object) -> None:
    """Say what there is to say and end the process: as a handler of a signal, or where none can be
    waited for.
    """
    try:
        os.write(2, INTERRUPTED_MESSAGE.encode())
    finally:  # also where nobody listens
        os._exit(INTERRUPTED)
