"""What was tried, on synthetic and on real data: ``python -m experiments.NAME``. Not in the wheel.
See README.md.
"""
