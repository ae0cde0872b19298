"""Sorting kernels: a listing written out, here of bubble sort."""

# EVOLVE-BLOCK-START
KERNEL = """
mov r3 r0
cmp r1 r0
cmovl r0 r1
cmovl r1 r3
mov r3 r1
cmp r2 r1
cmovl r1 r2
cmovl r2 r3
mov r3 r0
cmp r1 r0
cmovl r0 r1
cmovl r1 r3
"""
# EVOLVE-BLOCK-END


def kernel(lengths: list[int], interface: str, seed: int, seconds: float) -> list[str]:
    """A listing that sorts r0 to r2, as text, one instruction a line."""
    return KERNEL.split("\n")
