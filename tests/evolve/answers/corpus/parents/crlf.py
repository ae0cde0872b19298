# EVOLVE-BLOCK-START
def rate(a, b):
    if a > b:
        return a
    return b
# EVOLVE-BLOCK-END
