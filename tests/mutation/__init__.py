"""Mutation testing: small faults are put into a copy of the library, and the tests must notice
them.

``python -m tests.mutation`` (or ``make mutants``) runs it; ``mutants.toml`` says which files, which
named faults and what they count for. The checkout itself is never changed: faults are made in
private copies in the system's temporary folder. How it works, in the order of the modules:

- ``operators`` lists the faults that could be made in one file;
- ``draw`` picks some of them by a seed, evenly over groups and files, and reads the named ones;
- ``covering`` records once which tests run which line, with the pytest plug-in
  ``plugin/mutation_watch.py``;
- ``trial`` runs the tests that cover a fault until one of them fails;
- ``summary`` counts, and writes what survived.
"""
