"""Benchmarks of the whole app on this machine: `python3 dev.py bench`. Method and results: docs/benchmarks.md."""
