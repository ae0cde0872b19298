"""Isolated execution of untrusted programs: data in, data out, nothing left behind.

    with Sandbox(requires=["numpy"], preload=["numpy"]) as sandbox:
        with sandbox.open({"program.py": text}, entry="program.py") as candidate:
            answer = candidate.call("solve", 12)

Covered, in tiers A and B:
- reading files but the interpreter, system libraries and allow-listed distributions; the
  environment; other processes; the network; anything of the project;
- forging an answer: every byte from a candidate is decoded as data, with limits;
- new processes, programs, signals to others, and the kernel's rarer doors;
- time, memory, threads, descriptors, output, and where a control group can be made memory and
  tasks of all together; it ends with the candidate, with its sandbox, and with the worker, also
  when that is killed;
- leaving anything for the next candidate.

Not covered:
- whether an answer is right: that is the verifier's part. A driver runs beside the candidate, so
  what it returns is the candidate's word;
- timing: candidates of one core share caches and clocks with their neighbours, and how busy the
  machine is (uptime, free memory, number of processes) is no secret;
- faults in the kernel that an allowed system call can reach, and in the processor;
- tier B only: the existence, sizes and times of files, where links lead, the host's name and its
  process numbers can be seen; there is no scratch folder;
- tier NONE: nothing but limits.

Which layer does what, and what is lost without it, is in `docs/sandbox.md`.
"""

from sandbox.box import Sandbox
from sandbox.candidate import Candidate
from sandbox.codec import CodecError, CodecLimits, decode, encode
from sandbox.probe import Layer, Probe, probe
from sandbox.records import CandidateFailure, FailureKind, Limits, SandboxError, Tier, Usage
from sandbox.toolchain import CompileLimits, compile_c

__all__ = [
    "Candidate",
    "CandidateFailure",
    "CodecError",
    "CodecLimits",
    "CompileLimits",
    "FailureKind",
    "Layer",
    "Limits",
    "Probe",
    "Sandbox",
    "SandboxError",
    "Tier",
    "Usage",
    "compile_c",
    "decode",
    "encode",
    "probe",
]
