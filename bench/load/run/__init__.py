"""Runs load plans in Locust processes, from a process that never imports gevent or Locust."""

from bench.load.run.failures import GeneratorError
from bench.load.run.launcher import Launcher
from bench.load.run.locust_outputs import NO_LOCUST_OUTPUTS, WEB_PORT, Address, LocustOutputs
from bench.load.run.null_target import measure_null_target_baseline
from bench.load.run.remote_workers import address_seen_from_elsewhere
from bench.load.run.runner import LoadGenerator, run_load
from bench.load.run.settings import MASTER_PORT
from bench.load.run.worker import run_worker

__all__ = [
    "MASTER_PORT",
    "NO_LOCUST_OUTPUTS",
    "WEB_PORT",
    "Address",
    "GeneratorError",
    "Launcher",
    "LoadGenerator",
    "LocustOutputs",
    "address_seen_from_elsewhere",
    "measure_null_target_baseline",
    "run_load",
    "run_worker",
]
