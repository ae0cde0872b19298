"""Sorting networks: again and again the comparator of the highest priority, until all is sorted."""

# EVOLVE-BLOCK-START


def priority(low: int, high: int, wires: int, inverted: float, depth: int) -> float:
    """How much a comparator of wires `low` and `high`, `low` < `high`, is wanted next.

    `inverted` is the share of all inputs of 0 and 1 that it would exchange now, above 0;
    `depth` the number of layers that its wires have been through.
    """
    return low - high


# EVOLVE-BLOCK-END


def network(wires: int) -> list[tuple[int, int]]:
    """Comparators (a, b), a < b, of a network that sorts whatever the priorities are.

    A wire is a number of 2^wires bits, one for each input of 0 and 1: a comparator is one `and` and
    one `or`, and the network sorts when no wire has a 1 where the next one has a 0.
    """
    inputs = 1 << wires
    every = (1 << inputs) - 1
    # bit k of wire i is bit i of k
    values = [every // ((1 << (1 << i)) + 1) << (1 << i) for i in range(wires)]
    depths = [0] * wires
    pairs = [(low, high) for low in range(wires) for high in range(low + 1, wires)]
    comparators: list[tuple[int, int]] = []
    while True:
        best = None
        for low, high in pairs:
            exchanged = (values[low] & ~values[high]).bit_count()
            if exchanged:
                depth = max(depths[low], depths[high])
                wanted = priority(low, high, wires, exchanged / inputs, depth)
                if best is None or wanted > best[0]:
                    best = wanted, low, high
        if best is None:
            return comparators
        _, low, high = best
        values[low], values[high] = values[low] & values[high], values[low] | values[high]
        depths[low] = depths[high] = max(depths[low], depths[high]) + 1
        comparators.append((low, high))
