"""Which proxies there are without a written inventory: what the YAML says, and what had to be assumed."""

from bench.scenario.assumed.inventory import assume_inventory, completed
from bench.scenario.assumed.kinds import Assumed, Assumption

__all__ = [
    "Assumed",
    "Assumption",
    "assume_inventory",
    "completed",
]
