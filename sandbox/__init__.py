"""Isolated execution of untrusted programs: data in, data out, nothing left behind.

with Sandbox(requires=["numpy"], preload=["numpy"]) as sandbox:
    with sandbox.open({"program.py": text}, entry="program.py") as candidate:
        answer = candidate.call("solve", 12)
"""

from sandbox.box import Sandbox
from sandbox.candidate import Candidate
from sandbox.codec import CodecError, CodecLimits, decode, encode
from sandbox.probe import Layer, Probe, probe
from sandbox.records import CandidateFailure, FailureKind, Limits, SandboxError, Tier, Usage

__all__ = [
    "Candidate",
    "CandidateFailure",
    "CodecError",
    "CodecLimits",
    "FailureKind",
    "Layer",
    "Limits",
    "Probe",
    "Sandbox",
    "SandboxError",
    "Tier",
    "Usage",
    "decode",
    "encode",
    "probe",
]
