# EVOLVE-BLOCK-START
def rate(a, b):
	if a > b:
		if b > 3:
			return 2 * a
		return a
	return b
# EVOLVE-BLOCK-END
