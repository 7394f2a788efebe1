"""``python -m twomind`` is the command ``twomind``."""

from twomind.cli.start import main

main()
