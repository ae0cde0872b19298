"""Exact verifiers: pure functions from plain, untrusted data to `Valid` or `Invalid`."""

from evaluators.results import Invalid, Valid, Value, Verifier

__all__ = ["Invalid", "Valid", "Value", "Verifier"]
