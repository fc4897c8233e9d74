"""What a folder says: scenario, inventory and Istio YAML, read once for every command.

The face has the models alone, which load processes import, too; `load` and `read` bring the Istio wing along.
"""

from bench.scenario.models import Scenario
from bench.scenario.traffic import Connections, Schedule

__all__ = ["Connections", "Scenario", "Schedule"]
