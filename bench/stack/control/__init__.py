"""The ADS control plane: a process of its own that feeds proxies with what a folder says.

It serves the files that ``render`` writes for the config sources ``ads`` and ``ads-delta``, and only through
Unix sockets: nothing listens on a port.
"""

from bench.stack.control.client import ControlDoor
from bench.stack.control.running import ControlFolder, ControlPlane

__all__ = ["ControlDoor", "ControlFolder", "ControlPlane"]
