"""The freeze: what twelve commands write with the frozen wheel must be what the working tree
writes, to the bit.

``python -m tests.freeze`` (or ``make freeze``) runs both sides and compares.
:mod:`tests.freeze.commands` holds the two tables of command lines, :mod:`tests.freeze.clean` the
list of what is not compared.
"""
