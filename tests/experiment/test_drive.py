"""The scenario's load on a target that is not ours: over HTTP through a proxy, over mutual TLS at a node."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.experiment.drive.target import DriveOptions, check_workers, read_target
from bench.load import LoadOutcome
from bench.load.run.starting import free_port
from bench.preparation import make_material, prepare
from bench.result import read_result
from bench.scenario.load import load_scenario
from bench.scenario.overrides import override
from bench.stack.local import LocalStack
from tests.support.command import Command, run_command
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.envoy, pytest.mark.nginx, pytest.mark.whole_path]


@pytest.fixture(scope="module")
def running(pytestconfig, tmp_path_factory):
    """A stack that is up, and its certificates."""
    shipped = load_scenario(pytestconfig.rootpath / "scenarios" / "egress-mtls")
    loaded = override(shipped, rate=None, measure_s=None, blocks=None, workers=None, key="ecdsa-p256")
    material = make_material(loaded, tmp_path_factory.mktemp("keys") / "material")
    with LocalStack(prepare(loaded).stack_spec("standing", "static", material)) as stack:
        yield stack, material


BOOKS = (
    "client",
    "client-to-sidecar",
    "sidecar-listener",
    "sidecar-routing",
    "sidecar-to-gateway",
    "gateway-listener",
    "gateway-routing",
)
OR_TOO_BUSY = (0, 3)
"""Passed, or on a machine with too much to do, nothing proven; never failed."""


def drive(short, tmp_path, target, *more):
    """Run the command; return its exit code, stderr and result."""
    out = tmp_path / "out"
    done = run_command("drive", short, "--target", target, "--out", out, *more)
    folders = list(out.iterdir()) if out.is_dir() else []
    return done.returncode, done.stderr, read_result(folders[0]) if folders else None


def test_a_proxy_elsewhere_is_verified_and_loaded(short, tmp_path, running):
    stack, _ = running
    host, port = next(
        real for (_, number), real in stack.component("sleep").addresses.items() if number == 80
    )

    code, errors, result = drive(short, tmp_path, f"http://{host}:{port}")

    assert code in OR_TOO_BUSY, errors
    assert result.totals[-1].answered == result.totals[-1].due == 150
    assert result.generator.null_target_baseline.samples > 0
    assert result.fingerprint.stack == f"elsewhere: http://{host}:{port}"
    assert result.trials[0].config_source is None


def test_with_admin_apis_the_counters_of_proxies_elsewhere_are_held_against_the_client(
    short, tmp_path, running
):
    """Only the nodes, which belong to somebody else, keep no book."""
    stack, _ = running
    address = next(real for (_, number), real in stack.component("sleep").addresses.items() if number == 80)
    admin = [f"--admin={name}={stack.component(name).admin_url}" for name in ("sleep", "egress")]

    code, errors, result = drive(short, tmp_path, "http://{}:{}".format(*address), *admin)

    assert code in OR_TOO_BUSY, errors
    ledger = result.trials[0].ledger
    assert {book.book.value: (book.state, book.unexplained) for book in ledger.books} == dict.fromkeys(
        BOOKS, ("balanced", 0)
    )
    assert [each.code.value for each in ledger.missing] == ["nodes-elsewhere"]
    assert "books: no book at the far end" in errors


def test_a_worker_from_elsewhere_shares_the_load_and_locust_writes_its_own_files(
    short, tmp_path, running, monkeypatch
):
    monkeypatch.setenv("EGRESS_BENCH_TOKEN", "of-this-test")
    stack, _ = running
    address = next(real for (_, number), real in stack.component("sleep").addresses.items() if number == 80)
    port = free_port("127.0.0.1")
    joined = Command("worker", "--master", "127.0.0.1", "--port", port)
    try:
        code, errors, result = drive(
            short,
            tmp_path,
            "http://{}:{}".format(*address),
            *("--remote-workers", "1", "--master-bind", f"127.0.0.1:{port}"),
            *("--locust-csv", str(tmp_path / "ours"), "--locust-html", str(tmp_path / "ours.html")),
        )
        joined.wait(PATIENCE_S)
    finally:
        joined.kill()

    assert (code in OR_TOO_BUSY, joined.returncode) == (True, 0), errors
    assert f"`egress-bench worker --master 127.0.0.1 --port {port} --token of-this-test`" in errors
    assert "all 2 workers are here" in errors
    assert (result.generator.workers, result.totals[-1].answered) == (2, 150)
    with (tmp_path / "ours_stats.csv").open(newline="") as file:
        reported = {row["Name"]: int(row["Request Count"]) for row in csv.DictReader(file)}
    # Locust knows of no warm-up: half a second at 100 requests/s.
    assert reported["Aggregated"] == 150 + 50
    assert (tmp_path / "ours.html").exists()


def test_workers_are_awaited_only_where_the_user_says(tmp_path):
    with pytest.raises(InputError, match="--master-bind is missing"):
        check_workers(DriveOptions(target="http://127.0.0.1:1", out=tmp_path, command="", remote_workers=2))


def test_the_locustfile_of_the_documentation_drives_both_subsets_beside_an_ordinary_user(tmp_path, running):
    """Exactly the code that is there."""
    stack, _ = running
    host, port = next(
        real for (_, number), real in stack.component("sleep").addresses.items() if number == 80
    )
    (code,) = re.findall(r"```python\n(.*?)```", Path("docs/driving.md").read_text(), re.DOTALL)
    (tmp_path / "locustfile.py").write_text(code)
    command = [sys.executable, "-m", "locust", "-f", "locustfile.py", "--host", f"http://{host}:{port}"]
    written = tmp_path / "Traffic.outcome.json"

    with subprocess.Popen(
        [*command, "--headless", "-u", "3", "-r", "3", "--only-summary"],
        cwd=tmp_path,
        env={**os.environ, "SIDECAR": str(port), "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as locust:
        deadline = time.monotonic() + PATIENCE_S
        while not written.exists() and locust.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        locust.send_signal(signal.SIGINT)
        said, _ = locust.communicate(timeout=PATIENCE_S)

    assert locust.returncode == 0, said
    outcome = LoadOutcome.model_validate_json(written.read_text())
    assert outcome.complete
    assert [subset.name for subset in outcome.stages[0].subsets] == ["v1", "v2"]
    assert sum(subset.counts.answered for subset in outcome.stages[0].subsets) == 1000
    rows = re.findall(r"GET +(\S+(?: \[v[12]\])?) +(\d+) +0\(0\.00%\)", said)
    reported = {name: int(count) for name, count in rows}
    assert reported["/ [v1]"] + reported["/ [v2]"] == 1000
    assert reported["browser"] > 5


def test_a_node_is_driven_over_mutual_tls(short, tmp_path, running):
    stack, material = running
    only_v1(short)
    host, port = next(iter(stack.component("nginx01").addresses.values()))
    identity = ("--certificate", str(material.live / "client.crt"), "--private-key")

    code, errors, result = drive(
        short,
        tmp_path,
        f"https://{host}:{port}",
        "--ca",
        str(material.live / "ca.crt"),
        *identity,
        str(material.live / "client.key"),
    )

    assert code in OR_TOO_BUSY, errors
    assert result.totals[-1].answered == 150


def test_a_target_with_another_ca_gets_no_load(short, tmp_path, running):
    stack, material = running
    only_v1(short)
    host, port = next(iter(stack.component("nginx01").addresses.values()))

    code, _, result = drive(
        short, tmp_path, f"https://{host}:{port}", "--ca", str(material.wrong("other-ca") / "ca.crt")
    )

    assert code == 1
    assert result.trials == ()
    assert "CERTIFICATE_VERIFY_FAILED" in result.verification[0].got


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("ftp://127.0.0.1:1", "is not http://HOST:PORT"),
        ("http://127.0.0.1:1/path", "is not http://HOST:PORT"),
        ("http://127.0.0.1:99999", "is not http://HOST:PORT"),
        ("https://127.0.0.1:1", "--ca is missing"),
    ],
)
def test_a_target_that_is_none_is_reported(short, tmp_path, target, says):
    with pytest.raises(InputError, match=says):
        read_target(load_scenario(short), DriveOptions(target=target, out=tmp_path, command=""))


def only_v1(short):
    """Leave the scenario the one subset that nginx01 answers, and no controls of a proxy."""
    path = short / "scenario.yaml"
    text = path.read_text()
    start, end = text.index("    v2:\n"), text.index("  schedule:")
    text = text[:start] + text[end:]
    start, end = text.index("\ncontrols:"), text.index("\nlimits:")
    path.write_text(text[:start] + text[end:])
