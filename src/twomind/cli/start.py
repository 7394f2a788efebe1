"""Where the program begins: Ctrl-C is answered from here on, also while the command line itself is
imported and while the process ends.
"""

from __future__ import annotations

import signal

from twomind.cli.interrupts import tell_and_end


def main() -> None:
    """The command ``twomind``."""
    # The command line has its own handler and leaves this one behind.
    signal.signal(signal.SIGINT, tell_and_end)
    from twomind.cli.main import main as verbs

    verbs()


if __name__ == "__main__":
    main()
