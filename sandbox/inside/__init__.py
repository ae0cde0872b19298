"""What runs on the far side: the launcher, the warm fork server and the candidate's process.

These modules need nothing but the standard library, because nothing else is bound there.
"""
