"""The decisions of the search: pure functions on columns, the generator passed in.

None of them reads a clock, a file or a global; the same columns and generator state give the same
answer. `policies.POLICIES` are the ways to choose a parent.
"""
