"""Hopes that r5 is zero."""

# EVOLVE-BLOCK-START
# EVOLVE-BLOCK-END


def kernel(lengths: list[int], interface: str, seed: int, seconds: float) -> list[str]:
    return ["cmp r0 r5", "cmovl r0 r5", *(f"mov r{i} r0" for i in range(1, lengths[0]))]
