"""The TLS handshake lab: the matrix, sessions, pools, storms, refusals and the first hop."""

from bench.experiment.handshake.lab.flow import run_lab
from bench.experiment.handshake.lab.settings import PARTS, LabOptions

__all__ = ["PARTS", "LabOptions", "run_lab"]
