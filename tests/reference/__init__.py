"""Slow references: published equations as plain loops in double precision, to compare the library
with.
"""
