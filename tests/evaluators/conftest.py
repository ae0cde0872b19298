"""Timing of single examples says nothing on a busy machine, so there is no deadline."""

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
