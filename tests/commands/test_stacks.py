"""status and down name what there is; down ends what it is asked to, and nothing whose owner lives."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from envoy_data_plane.envoy.config.core.v3 import TransportSocket
from envoy_data_plane.envoy.config.listener.v3 import FilterChain, FilterChainMatch, Listener

from bench.commands.down import end_runs
from bench.commands.status import describe_runs
from bench.commands.up import _watch, speaks_tls, way_in, way_to_node
from bench.errors import ControlPlaneLostError, InputError, StackError
from bench.scenario.load import load_scenario
from bench.stack import Component, NodeSpec
from bench.stack.protocol import NodeBehaviour
from bench.stack.runs import CONTROL_PLANE, ProcessMark, RunFolder, write_components
from tests.support.waiting import PATIENCE_S, wait_until

OWNER = """
import sys, time
from bench.stack.interrupts import terminations_raise
from bench.stack.runs import supervised_folder
with terminations_raise(), supervised_folder(sys.argv[1]) as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # Containers of other tests are none of these.
    monkeypatch.setattr("bench.commands.down.end_orphans", list)
    return tmp_path


@pytest.fixture
def living(tmp_path):
    started = []

    def start(name):
        process = subprocess.Popen(
            [sys.executable, "-c", OWNER, name],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        return process, Path(process.stdout.readline().strip())

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def stale(name):
    ended = subprocess.Popen(["true"])
    ended.wait()
    folder = RunFolder(Path(tempfile.gettempdir()) / f"egress-bench-{ended.pid}-0123abcd")
    folder.make(name)
    mark = (folder.path / "owner.json").read_text().replace(f'"pid": {os.getpid()}', f'"pid": {ended.pid}')
    (folder.path / "owner.json").write_text(mark)
    return folder.path


def test_down_names_each_run_that_it_ends_or_clears(living):
    process, folder = living("mine")
    left = stale("killed")

    ended = end_runs()

    assert f"ended mine, owned by process {process.pid}" in ended.text
    assert "cleared killed, left over by process" in ended.text
    assert str(left) in ended.text
    assert [entry["name"] for entry in ended.document] == sorted(
        ("mine", "killed"), key=lambda name: {"mine": str(folder), "killed": str(left)}[name]
    )
    assert not left.exists()
    wait_until(lambda: not folder.exists())
    assert end_runs().text == "nothing to stop"


@pytest.mark.parametrize("by", ["name", "process", "folder"])
def test_down_ends_the_one_that_is_named_and_no_other(living, by):
    chosen, chosen_folder = living("chosen")
    spared, spared_folder = living("spared")
    left = stale("killed")

    end_runs([{"name": "chosen", "process": str(chosen.pid), "folder": str(chosen_folder)}[by]])

    chosen.wait(PATIENCE_S)
    assert spared.poll() is None
    assert spared_folder.is_dir()
    assert left.is_dir()


def test_a_run_that_is_not_there_is_an_error_that_names_those_that_are():
    stale("killed")

    with pytest.raises(InputError, match=r"no run is called other; there are: killed \(process \d+\)"):
        end_runs(["other"])


def test_status_distinguishes_living_runs_from_stale_ones_and_files_of_other_commands_from_both(
    living, tmp_path
):
    process, _ = living("mine")
    stale("killed")
    (tmp_path / "egress-bench-check-x1y2z3").mkdir()

    found = describe_runs()

    assert f"mine: running, owned by process {process.pid}" in found.text
    assert "killed: left over by process" in found.text
    assert len(found.document) == 2


TLS = FilterChain(transport_socket=TransportSocket(name="envoy.transport_sockets.tls"))
BY_NAME = FilterChain(filter_chain_match=FilterChainMatch(server_names=["a.example"]))
BY_PROTOCOL = FilterChain(filter_chain_match=FilterChainMatch(transport_protocol="tls"))


@pytest.mark.parametrize(
    ("listener", "is_tls"),
    [
        (Listener(filter_chains=[TLS, BY_NAME, BY_PROTOCOL]), True),
        (Listener(filter_chains=[FilterChain()]), False),
        (Listener(filter_chains=[TLS], default_filter_chain=FilterChain()), False),
        (Listener(), False),
    ],
)
def test_a_listener_is_called_by_https_if_every_way_into_it_is_tls(listener, is_tls):
    assert speaks_tls(listener) is is_tls


def requests_of(**requests):
    """The mix of the shipped scenario with *requests* in place of its own."""
    scenario = load_scenario(Path("scenarios/egress-mtls")).scenario
    document = scenario.traffic.model_dump(mode="json", exclude_defaults=True)
    document |= {"url": None, "requests": {name: {"expect": {}, **each} for name, each in requests.items()}}
    document.pop("subsets", None)
    return type(scenario.traffic).model_validate(document).mix


@pytest.mark.parametrize(
    ("written", "is_tls", "command"),
    [
        ({"url": "http://a.example/x"}, False, "curl -i http://127.0.0.1:1234/x -H 'Host: a.example'"),
        (
            {"url": "http://a.example/", "headers": {"Host": "b.example"}},
            False,
            "curl -i http://127.0.0.1:1234/ -H 'Host: b.example'",
        ),
        (
            {"url": "https://a.example:8443/x"},
            True,
            "curl -ik https://a.example:8443/x --connect-to a.example::127.0.0.1:1234",
        ),
        ({"url": "tcp://a.example:5432", "body": "hi\n"}, False, "printf %s 'hi\n' | nc 127.0.0.1 1234"),
        (
            {"url": "tls://a.example:5432", "body": "hi\n"},
            True,
            "printf %s 'hi\n' | openssl s_client -quiet -connect 127.0.0.1:1234 -servername a.example",
        ),
    ],
)
def test_each_kind_of_request_has_a_command_that_sends_it(written, is_tls, command):
    (request,) = requests_of(one=written)

    assert way_in(("127.0.0.1", 1234), request, is_tls=is_tls) == command


@pytest.mark.parametrize(
    ("tls", "protocol", "way"),
    [
        ("none", "http/1.1", "http://127.0.0.1:1/"),
        ("simple", "http/2", "https://127.0.0.1:1/"),
        ("mutual", "http/1.1", "https://127.0.0.1:1/ (mutual TLS)"),
        ("none", "bytes", "tcp://127.0.0.1:1"),
        ("simple", "bytes", "tls://127.0.0.1:1"),
    ],
)
def test_a_node_is_shown_with_what_it_speaks(tls, protocol, way):
    node = NodeSpec("n", ("192.0.2.1", 1), "n", tls=tls, behaviour=NodeBehaviour(protocol=protocol))
    component = SimpleNamespace(addresses={("192.0.2.1", 1): ("127.0.0.1", 1)})

    assert way_to_node(component, node) == way


def fed_run(process):
    """The folder of this process's own run, whose proxies *process* feeds."""
    folder = RunFolder.create("fed")
    part = Component(
        "egress", "envoy", "egress", process.pid, {("0.0.0.0", 80): ("127.0.0.1", 1)}, None, Path("x"), None
    )
    write_components(folder, [part])
    folder.record_process(ProcessMark.of(process.pid, CONTROL_PLANE))
    return folder


def test_status_shows_whether_the_control_plane_serves_and_what_its_loss_means():
    process = subprocess.Popen(["sleep", "60"])
    try:
        with fed_run(process):
            found = describe_runs()
            assert found.text.splitlines()[-1].split() == ["control", "plane", "serves"]
            assert found.document[0]["control_plane"] == {"pid": process.pid, "running": True}
            process.kill()
            process.wait()
            found = describe_runs()
            assert "has ended; its proxies keep serving what they have" in found.text
            assert found.document[0]["control_plane"] == {"pid": process.pid, "running": False}
    finally:
        process.kill()
        process.wait()


def test_a_run_that_files_feed_has_no_control_plane():
    with RunFolder.create("files"):
        assert describe_runs().document[0]["control_plane"] is None


def test_up_goes_on_without_its_control_plane_until_a_part_dies_and_says_once_what_that_means(monkeypatch):
    monkeypatch.setattr("bench.commands.up._LOOK_EVERY_S", 0.0)
    looks = [
        None,
        ControlPlaneLostError("it", how="was ended by SIGKILL"),
        ControlPlaneLostError("it", how="was ended by SIGKILL"),
        StackError("egress died."),
    ]
    observer = Mock()
    with pytest.raises(StackError, match="egress died"):
        _watch(Mock(check_alive=Mock(side_effect=looks)), observer)
    [told] = observer.note.call_args_list
    assert "the control plane was ended by SIGKILL; its proxies keep serving" in told.args[0]
