"""The scheduler's books on the threads that do the work, and the ports that connections hold."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.telemetry.lanes import read_lanes
from bench.telemetry.local_ports import read_port_use

SPIN = "import time\nprint('on', flush=True)\nwhile True: sum(range(1000))"


def a_proc(tmp_path, threads):
    """*threads*: name, nanoseconds on a processor, nanoseconds waiting."""
    for number, (name, ran, waited) in enumerate(threads, 100):
        folder = tmp_path / "7" / "task" / str(number)
        folder.mkdir(parents=True)
        (folder / "comm").write_text(f"{name}\n")
        (folder / "schedstat").write_text(f"{ran} {waited} 12\n")
    return tmp_path


def test_only_the_workers_of_an_envoy_are_read_each_with_run_and_wait(tmp_path, monkeypatch):
    proc = a_proc(
        tmp_path,
        [
            ("envoy", 9_000_000_000, 0),
            ("wrk:worker_1", 250_000_000, 4_000_000_000),
            ("wrk:worker_0", 3_000_000_000, 0),
        ],
    )
    monkeypatch.setattr("bench.telemetry.lanes.family_of", lambda pid, name: [_Process(7)])

    lanes = read_lanes(7, "envoy", proc=proc)

    assert [(lane.name, lane.ran_s, lane.waited_s) for lane in lanes] == [
        ("worker_0", 3.0, 0.0),
        ("worker_1", 0.25, 4.0),
    ]


class _Process:
    def __init__(self, pid):
        self.pid = pid


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this kernel keeps no such books")
def test_a_process_that_works_all_the_time_ran_or_waited_all_the_time():
    with subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) as busy:
        try:
            busy.stdout.readline()
            first, began = read_lanes(busy.pid, "nginx")[0], time.monotonic()
            time.sleep(0.3)
            last, seconds = read_lanes(busy.pid, "nginx")[0], time.monotonic() - began
        finally:
            os.kill(busy.pid, 9)

    had = (last.ran_s - first.ran_s) + (last.waited_s - first.waited_s)
    assert had > 0.5 * seconds
    assert read_lanes(busy.pid, "nginx") == ()


def test_ports_are_counted_towards_the_address_that_has_the_fewest_left():
    with socket.socket() as one, socket.socket() as other:
        for server in (one, other):
            server.bind(("127.0.0.1", 0))
            server.listen(8)
        fullest = one.getsockname()
        clients = [socket.create_connection(one.getsockname()) for _ in range(3)]
        clients.append(socket.create_connection(other.getsockname()))
        try:
            taken = read_port_use(os.getpid(), [one.getsockname(), other.getsockname()])
        finally:
            for client in clients:
                client.close()

    assert (taken.remote, taken.used) == (fullest, 3)
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert taken.available == high - low + 1
