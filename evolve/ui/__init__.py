"""The live page of runs: a server on this machine, and a page that holds no text as markup.

The server reads each run's database read-only, while it is written or not, and sends every action
to the run's own command socket; it changes nothing itself. What it guards: `guard`.
"""
