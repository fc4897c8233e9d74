"""`drive` at a target that does everything wrong: reported in words, quickly, and no load is sent."""

import re
import socket
import subprocess
import sys
import time

import pytest

from bench.errors import LoadError
from bench.experiment.drive.flow import drive
from bench.experiment.drive.target import DriveOptions
from bench.experiment.instruments import Instruments
from bench.result import read_result
from bench.scenario.load import load_scenario
from bench.verify import calls
from bench.verify.calls import Answer
from tests.load.stubs import Stub, always, read_request, reset
from tests.support.fake_generator import FakeGenerator


class Quiet:
    """A silent observer."""

    def __getattr__(self, name):
        return lambda *_: None


def options(tmp_path, port):
    return DriveOptions(target=f"http://127.0.0.1:{port}", out=tmp_path / "out", command="drive")


def cut(conn, number):
    read_request(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    reset(conn)


def endless(conn, number):
    read_request(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        conn.sendall(b"1\r\nx\r\n")
        time.sleep(0.005)


def huge(conn, number):
    read_request(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n")
    for _ in range(200):
        conn.sendall(b"x" * 1_000_000)


def silent(conn, number):
    read_request(conn)
    time.sleep(5)


@pytest.mark.parametrize(
    ("serve", "says"),
    [
        (cut, "ReadError"),
        (always(lambda request: b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "RemoteProtocolError"),
        (endless, "200, and no end of the answer within 1 s"),
        (silent, "ReadTimeout"),
        (huge, "200"),
    ],
)
def test_a_wrong_answer_is_reported_with_what_came_and_gets_no_load(
    short, tmp_path, monkeypatch, serve, says
):
    monkeypatch.setattr(calls, "_TIMEOUT_S", 10.0 if serve is huge else 1.0)
    with Stub(serve) as stub:
        finished = drive(load_scenario(short), options(tmp_path, stub.port), Quiet())

    assert finished.result.state == "aborted"
    assert finished.result.trials == ()
    assert (
        "6 of 6 verification calls were wrong, the first: v1 from sleep: expected" in finished.result.reason
    )
    assert says in finished.result.reason
    assert finished.report.exists()


def test_a_target_that_nothing_plays_cannot_be_reached_and_judges_nothing(short, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(
        LoadError, match=rf"127\.0\.0\.1:{port} cannot be reached: Connection refused"
    ) as raised:
        drive(load_scenario(short), options(tmp_path, port), Quiet())

    assert raised.value.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_a_generator_that_dies_leaves_what_it_had_measured(short, tmp_path):
    """Without any process: the calls and the load are played."""

    class Dying(FakeGenerator):
        def __call__(self, plan, folder, **more):
            outcome = super().__call__(plan, folder, **more)
            if more:
                folder.mkdir(parents=True, exist_ok=True)
                cut = outcome.model_copy(update={"complete": False, "reason": "aborted"})
                (folder / "outcome.json").write_text(cut.model_dump_json())
                raise LoadError("Locust ended in the middle of the run.")
            return outcome

    loaded = load_scenario(short)
    right = {name: subset.expect for name, subset in loaded.scenario.traffic.requests.items()}

    def call(calls, place=None, *, at_once=1):
        expected = [right.get(each.headers.get("want")) for each in calls]
        controls = iter(control.expect for control in loaded.scenario.controls)
        return [
            Answer(200, {"x-node": each.nodes[0]}, each.body_contains)
            if each is not None and each.nodes and "nginx.external" in asked.headers["host"]
            else Answer(next(controls).status)
            for each, asked in zip(expected, calls, strict=True)
        ]

    generator = Dying()
    instruments = Instruments(call=call, run_load=generator, measure_baseline=generator.baseline)
    with socket.create_server(("127.0.0.1", 0)) as server:
        chosen = options(tmp_path, server.getsockname()[1])
        with pytest.raises(LoadError, match="in the middle of the run"):
            drive(loaded, chosen, Quiet(), instruments=instruments)

    (folder,) = (tmp_path / "out").iterdir()
    (trial,) = read_result(folder).trials
    assert trial.total.answered == 150
    assert "in the middle of the run" in trial.aborted
    assert (folder / "report.html").is_file()


def right(request):
    ident = b""
    if b"x-bench-id: " in request:
        ident = b"x-bench-id: " + request.split(b"x-bench-id: ")[1].split(b"\r\n")[0] + b"\r\n"
    for name, node in ((b"v1", b"nginx01"), (b"v2", b"nginx02")):
        if b"want: " + name in request and b"Host: other" not in request and b"host: other" not in request:
            head = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX-Node: " + node + b"\r\n"
            return head + ident + b"\r\n<h1>" + name + b"!</h1>"
    return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def test_more_connections_than_descriptors_names_limit_and_remedy(short, tmp_path):
    path = short / "scenario.yaml"
    path.write_text(path.read_text().replace("count: 16", "count: 50000"))

    with Stub(always(right)) as stub:
        command = [
            "drive",
            str(short),
            "--target",
            f"http://127.0.0.1:{stub.port}",
            "--out",
            str(tmp_path / "o"),
        ]
        limited = ["sh", "-c", 'ulimit -n 2000 && exec "$@"', "sh", sys.executable, "-m", "bench", *command]
        done = subprocess.run(limited, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert re.search(r"50000 connections .*`ulimit -n", " ".join(done.stderr.split()))
