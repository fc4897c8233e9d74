"""An Envoy makes way for its successor: no connection is refused, and nothing of them outlives the stack."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil
import pytest

from bench.errors import StackError
from bench.placement import ConfigFile
from bench.stack import HotRestart, ProxySpec, StackSpec
from bench.stack.local import LocalFaults, LocalStack
from bench.stack.nodes import is_running
from bench.stack.runs.folder import PREFIX
from tests.stack.egress_path import HTTP_MANAGER, admin_address, call, socket_address
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.envoy, pytest.mark.nginx]

BIND = ("0.0.0.0", 80)
LEAVE = HotRestart(drain_s=1, end_s=2)


def bootstrap(placement, answer):
    """An Envoy that is all in one file, and answers by itself."""
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": answer}}}
    manager = {
        "@type": HTTP_MANAGER,
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
    }
    listener = {
        "name": "0.0.0.0_80",
        "address": socket_address(placement.listeners[BIND]),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    text = {
        "admin": {"address": admin_address(placement.admin)},
        "static_resources": {"listeners": [listener]},
    }
    return [ConfigFile("bootstrap.yaml", json.dumps(text))]


SPEC = StackSpec(
    name="hot",
    proxies=(
        ProxySpec(
            "egress",
            "egress",
            "10.0.0.9",
            (BIND,),
            lambda placement: bootstrap(placement, "first"),
            hot_restart=LEAVE,
        ),
    ),
    nodes=(),
    certificates=Path("/"),
)


def answer(stack):
    return call(stack, at=stack.component("egress").addresses[BIND])[2]


def memory(stack):
    """Shared memory of this stack's Envoys: others may come and go meanwhile."""
    names = (stack.folder / "shared-memory").read_text().split()
    return [Path("/dev/shm") / name for name in names]


def restart(stack, text):
    stack.restart_hot("egress", bootstrap(stack.placement("egress"), text))


def test_a_successor_takes_the_listeners_over_and_outlives_the_thread_that_asked_for_it():
    with LocalStack(SPEC) as stack:
        assert answer(stack) == "first"
        first, address = stack.component("egress").pid, stack.component("egress").addresses

        asking = threading.Thread(target=restart, args=(stack, "second"))
        asking.start()
        asking.join()

        assert answer(stack) == "second"
        assert stack.component("egress").pid != first
        assert stack.component("egress").addresses == address
        assert stack.is_handing_over("egress")
        with pytest.raises(StackError, match="not ended yet"):
            restart(stack, "third")
        wait_until(lambda: not stack.is_handing_over("egress"))
        assert not psutil.pid_exists(first)
        stack.check_alive()
        assert answer(stack) == "second"
        restart(stack, "third")
        assert answer(stack) == "third"
        both = [stack.component("egress").pid, *(each.pid for each in stack._succession.others())]
        assert len(both) == 2
        [shared] = memory(stack)
        assert shared.exists()
    assert not any(map(psutil.pid_exists, both))
    assert not shared.exists()


OWNER = """
import time
from bench.stack.local import LocalStack
from tests.stack.test_hot_restart import SPEC, memory, restart
with LocalStack(SPEC) as stack:
    restart(stack, "second")
    others = [each.pid for each in stack._succession.others()]
    print(*memory(stack), stack.component("egress").pid, *others, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def root():
    """A folder with a path that is short enough for sockets below it."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_a_killed_suite_leaves_neither_envoy_and_no_shared_memory(root):
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env={**os.environ, "TMPDIR": str(root)},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        shared, *pids = process.stdout.readline().split()
        assert len(pids) == 2
        assert Path(shared).exists()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    wait_until(lambda: not any(is_running(int(pid)) for pid in pids))
    wait_until(lambda: not list(root.glob(f"{PREFIX}*")))
    assert not Path(shared).exists()


def test_files_that_envoy_refuses_leave_the_one_that_serves():
    refused = [ConfigFile("bootstrap.yaml", '{"nonsense": 1}')]
    with LocalStack(SPEC) as stack:
        files = bootstrap(stack.placement("egress"), "second")
        assert "no such field: 'nonsense'" in stack.validate("egress", refused)
        assert stack.validate("egress", files) is None
        assert answer(stack) == "first"
        restart(stack, "second")
        wait_until(lambda: not stack.is_handing_over("egress"))

        with pytest.raises(StackError, match=r"egress refuses its configuration: .*nonsense"):
            stack.restart_hot("egress", refused)
        assert answer(stack) == "second"
        stack.check_alive()
        with pytest.raises(StackError, match="cannot be restarted hot any more"):
            stack.restart_hot("egress", files)


def test_a_proxy_without_hot_restart_has_no_successor():
    plain = dataclasses.replace(SPEC, proxies=(dataclasses.replace(SPEC.proxies[0], hot_restart=None),))
    with LocalStack(plain) as stack, pytest.raises(StackError, match="without hot restart"):
        restart(stack, "second")


def test_a_part_that_dies_while_it_hands_over_is_noticed():
    with LocalStack(SPEC) as stack:
        restart(stack, "second")
        [former] = stack._succession.others()
        former.kill()
        former.wait(5)
        with pytest.raises(StackError, match=r"egress was ended by SIGKILL.* beside its successor"):
            stack.check_alive()
        LocalFaults(stack).kill("egress")
