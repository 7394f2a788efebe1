"""Whole synthetic data sets: as features, as folders in real layouts, as plug-ins of twomind."""
