"""Tests of the experiments themselves. No test of the library imports an experiment."""
