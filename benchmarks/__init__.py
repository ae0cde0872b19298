"""Measured claims: `python -m benchmarks NAME` prints each figure beside its target."""
