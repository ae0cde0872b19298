
# EVOLVE-BLOCK-START
def answer():
    return 3 * 7 * ((3 * 7 if (416 if True else 1) - (6 if False else 0.9) >= 1 else 604 + 3 * 7) * 3)
# EVOLVE-BLOCK-END
