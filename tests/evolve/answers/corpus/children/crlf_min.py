# EVOLVE-BLOCK-START
def rate(a, b):
    if a > b:
        return a
    c = a * b
    return c
# EVOLVE-BLOCK-END
