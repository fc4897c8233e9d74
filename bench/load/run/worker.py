"""``egress-bench worker``: joins a run that a master elsewhere coordinates; it gets the plan from there."""

from __future__ import annotations

import os
import signal
import subprocess

from bench.errors import LoadError
from bench.load.run.command import Variable, locust_command, locust_environment
from bench.load.run.settings import MASTER_PORT


def run_worker(master: str, *, port: int = MASTER_PORT, processes: int = 1) -> int:
    """Serve *master* with so many processes until it dismisses them; their output is ours.

    Returns:
        0, or the largest exit code of the processes.

    Raises:
        LoadError: *processes* is not positive.
        KeyboardInterrupt: passed on after all processes ended.
    """
    if processes < 1:
        raise LoadError(f"{processes} worker processes make no load.", remedy="Give 1 or more.")
    life_end, life = os.pipe()
    command = locust_command(["--worker", "--master-host", master, "--master-port", str(port)])
    environment = locust_environment({Variable.LIFELINE: life_end})
    children = [
        subprocess.Popen(command, env=environment, pass_fds=(life_end,), stdin=subprocess.DEVNULL)
        for _ in range(processes)
    ]
    try:
        codes = [child.wait() for child in children]
    finally:
        os.close(life)
        os.close(life_end)
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.wait()
    return max(abs(code) for code in codes)
