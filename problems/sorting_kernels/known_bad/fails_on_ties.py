"""Right on all permutations of three values, wrong on ties: equal values are not exchanged back."""

# EVOLVE-BLOCK-START
LINES = """
mov r3 r1
cmp r2 r1
cmovl r1 r2
cmovl r2 r3
cmp r0 r2
mov r3 r0
cmovg r3 r2
cmovg r2 r0
cmp r3 r1
cmovl r0 r3
cmovg r0 r1
cmovg r1 r3
"""
# EVOLVE-BLOCK-END


def kernel(lengths: list[int], interface: str, seed: int, seconds: float) -> list[str]:
    return LINES.split("\n")
