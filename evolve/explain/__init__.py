"""What made a program good: new structure, tuned constants, or instances learnt by heart.

Everything is measured again on draws that neither the search nor the choice of the champion saw.
"""

from evolve.explain.account import Account, Explained, Hunked, Kind, account
from evolve.explain.effects import Effect, Word
from evolve.explain.measuring import Measure

__all__ = ["Account", "Effect", "Explained", "Hunked", "Kind", "Measure", "Word", "account"]
