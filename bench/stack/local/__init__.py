"""The stack as processes of this machine, on loopback."""

from bench.stack.local.faults import LocalFaults
from bench.stack.local.stack import LocalStack

__all__ = ["LocalFaults", "LocalStack"]
