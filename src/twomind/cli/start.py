"""Where the program begins: Ctrl-C is answered from here on, also while the command line itself is
imported and while the process ends.

Before :func:`main` runs, nothing is imported but what Python has already: until then Python answers
Ctrl-C, with a traceback.
"""

from _signal import SIGINT, signal  # the module signal imports others first

from twomind.cli.ending import tell_and_end


def main() -> None:
    """The command ``twomind``."""
    # The command line has its own handler and leaves this one behind.
    signal(SIGINT, tell_and_end)
    from twomind.cli.main import main as verbs

    verbs()


if __name__ == "__main__":
    main()
