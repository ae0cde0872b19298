"""Sorting kernels: a listing written out, here of bubble sort."""

# EVOLVE-BLOCK-START
KERNEL = """
mov r5 r0
cmp r1 r0
cmovl r0 r1
cmovl r1 r5
mov r5 r1
cmp r2 r1
cmovl r1 r2
cmovl r2 r5
mov r5 r2
cmp r3 r2
cmovl r2 r3
cmovl r3 r5
mov r5 r3
cmp r4 r3
cmovl r3 r4
cmovl r4 r5
mov r5 r0
cmp r1 r0
cmovl r0 r1
cmovl r1 r5
mov r5 r1
cmp r2 r1
cmovl r1 r2
cmovl r2 r5
mov r5 r2
cmp r3 r2
cmovl r2 r3
cmovl r3 r5
mov r5 r0
cmp r1 r0
cmovl r0 r1
cmovl r1 r5
mov r5 r1
cmp r2 r1
cmovl r1 r2
cmovl r2 r5
mov r5 r0
cmp r1 r0
cmovl r0 r1
cmovl r1 r5
"""
# EVOLVE-BLOCK-END


def kernel(lengths: list[int], interface: str, seed: int, seconds: float) -> list[str]:
    """A listing that sorts r0 to r4, as text, one instruction a line."""
    return KERNEL.split("\n")
