"""The base install on several Pythons: ``python -m tests.pythons python3.12 python3.13``."""
