"""Nothing leaves a stack of containers: no packet and no DNS query goes anywhere but to its own networks."""

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.stack.compose.stack import ComposeStack
from tests.docker.lookups import ONCE
from tests.stack.test_confined import NETWATCH, write_scenario
from tests.support.stack_tour import prepared_of, reach_out

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(shutil.which("nsenter") is None, reason="needs nsenter"),
]


@contextlib.contextmanager
def watching(pid, subnets):
    """Collects where packets in the network of process *pid* go that go outside."""
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, str(NETWATCH), "--beside", *subnets]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout.readline() == "watching\n"
        seen = {}
        yield seen
        seen |= json.loads(watch.communicate()[0])


def test_the_watch_sees_a_query_to_the_engines_resolver_and_a_packet_to_elsewhere(stack):
    """Otherwise it would prove nothing."""
    leak = (
        "import socket\n"
        "try: socket.getaddrinfo('leak.example', 80)\n"
        "except OSError: pass\n"
        "try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.11', 9))\n"
        "except OSError: pass\n"
    )
    with watching(stack.component("sidecar").pid, subnets_of(stack)) as seen:
        subprocess.run(stack.client("sidecar").command("caller", ["-c", leak], ONCE), check=True)

    assert any(each.startswith("127.0.0.11:") for each in seen)


def subnets_of(stack):
    return [str(each) for each in stack.project.layout.subnets.values()]


def test_containers_connect_to_nothing_and_resolve_nothing_outside_of_their_stack(images, tmp_path):
    """The scenario that reaches for names, addresses and sockets elsewhere; see ``tests/stack``."""
    prepared, material = prepared_of(write_scenario(Path(tmp_path) / "scenario"), tmp_path)

    with ComposeStack(prepared.stack_spec("tour", "static", material), images=images) as stack:
        parts = ("client", "egress", "played")
        with contextlib.ExitStack() as watches:
            seen = {
                part: watches.enter_context(watching(stack.component(part).pid, subnets_of(stack)))
                for part in parts
            }
            opened = reach_out(stack, prepared, "static")

    assert not any(seen.values()), seen
    assert min(opened.values()) > 5
