"""Heuristics in a class."""

# EVOLVE-BLOCK-START
class Packer:
    """Chooses bins.

    Usage
    =======
    ```
    Packer(10).choose(3, [4, 5])
    ```
    """

    def __init__(self, capacity):
        self.capacity = capacity
        self.seen = []

    def choose(self, item, bins):
        best = None
        for index, space in enumerate(bins):
            if space < item:
                continue
            if best is None or space < bins[best]:
                best = index
        self.seen.append(item)
        return best

    def worst(self, item, bins):
        best = None
        for index, space in enumerate(bins):
            if space < item:
                continue
            if best is None or space > bins[best]:
                best = index
        self.seen.append(2 * item)
        return best


# EVOLVE-BLOCK-END


def run(items, bins):
    packer = Packer(10)
    return [packer.choose(item, bins) for item in items]
