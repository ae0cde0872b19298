"""Lineages with planted edits: what each does to the objective is known beforehand."""
