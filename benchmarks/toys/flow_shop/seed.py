"""An order of jobs on two machines."""

# EVOLVE-BLOCK-START


def priority(a: int, b: int) -> float:
    """The higher, the sooner the job goes; ties as they come."""
    return a + b


# EVOLVE-BLOCK-END


def priorities(instances: list[list[tuple[int, int]]]) -> list[list[float]]:
    """The priority of every job."""
    return [[priority(a, b) for a, b in jobs] for jobs in instances]
