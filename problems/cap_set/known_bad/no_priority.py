"""Has no priority at all."""

# EVOLVE-BLOCK-START

size = 512

# EVOLVE-BLOCK-END
