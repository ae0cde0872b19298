"""Predicts a number from a point."""


# EVOLVE-BLOCK-START
def predict(x: list[float]) -> float:
    total = 0.0
    return total


# EVOLVE-BLOCK-END


def predict_all(points: list[list[float]]) -> list[float]:
    return [predict(x) for x in points]
