"""``python -m twomind`` is the command ``twomind``."""

from twomind.cli.start import main

if __name__ == "__main__":
    main()
