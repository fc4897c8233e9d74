"""The same load and verification against a system that runs elsewhere."""

from bench.experiment.drive.flow import drive
from bench.experiment.drive.target import DriveOptions

__all__ = [
    "DriveOptions",
    "drive",
]
