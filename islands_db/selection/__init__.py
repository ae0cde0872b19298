"""The decisions of the search: pure functions on columns, the generator passed in.

None of them reads a clock, a file or a global; the same columns and generator state give the same
answer. `mix` is what a run uses; the others are its parts.
"""
