"""Speed and memory, one script each: ``python -m benchmarks.NAME``. Not part of the wheel."""
