"""The main job on real Envoy, real nginx and real Locust."""

import json
import os
import signal
from pathlib import Path

import psutil
import pytest

from bench.report.build import write_report
from bench.result import read_result
from tests.support.command import Command, run_command
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.nginx,
    pytest.mark.whole_path,
    # A machine with ten times too much to do starts a run in minutes.
    pytest.mark.timeout(900),
]


def only_folder(out: Path) -> Path:
    (found,) = out.iterdir()
    return found


@pytest.mark.slow
def test_a_run_measures_proves_and_reports(short, tmp_path):
    """Every request accounted for and answered by its subset; both sources, handshakes, result and report."""
    done = run_command("run", short, "--out", tmp_path / "out", "--json")

    document = json.loads(done.stdout)
    # A busy machine proves nothing, and fails nothing.
    assert done.returncode == (0 if document["verdict"]["state"] == "passed" else 3), done.stderr
    folder = only_folder(tmp_path / "out")
    result = read_result(folder)
    total = result.totals[-1]
    assert document["verdict"]["state"] in {"passed", "generator-limited", "machine disturbed"}
    assert result.state == "complete"
    assert all(line.passed for line in result.verification)
    assert total.due == 2 * 150
    assert (total.sent, total.answered) == (total.due, total.due)
    assert (total.misrouted, total.failed, total.unsent) == (0, 0, 0)
    assert all(stage.total.bad == 0 for trial in result.trials for stage in trial.stages)
    # The null target has no pages of the nodes: its answers are right all the same.
    baseline = result.generator.baseline_counts
    assert (baseline.bad, baseline.answered) == (0, baseline.due)
    assert [(each.name, each.share) for each in result.traffic.mix] == [("v1", 0.5), ("v2", 0.5)]
    assert {trial.config_source for trial in result.trials} == {"static", "eds"}
    assert total.response_time.samples == total.due
    for trial in result.trials:
        roles = {cost.role: cost for cost in trial.costs}
        assert set(roles) == {"sidecar", "egress", "node", "generator"}
        assert all(cost.cpu_seconds is not None and cost.cpu_seconds > 0 for cost in trial.costs)
    assert result.handshake is not None
    full, resumed = result.handshake.mode("full"), result.handshake.mode("resumed")
    assert (full.counts_agree, resumed.counts_agree) == (True, True), result.warnings
    assert (full.sessions_reused, full.of_other_kind) == (0, 0)
    assert 0 < resumed.connections - resumed.sessions_reused == resumed.of_other_kind
    assert resumed.of_other_kind < resumed.connections / 2
    assert min(full.handshake_time.samples, resumed.handshake_time.samples) > 100
    # That a full one costs more is the handshake lab's to show: 200 of a cheap key are within the noise.
    assert min(full.gateway_cpu_us_per_connection, resumed.gateway_cpu_us_per_connection) > 0
    assert {line.stack for line in result.verification} == {"controls", "static", "eds"}
    assert all(trial.ledger is not None and trial.ledger.is_balanced for trial in result.trials)
    assert [trial.ledger.requests for trial in result.trials[:2]] == [200, 200]
    for trial in result.trials:
        assert sum(trial.ledger.at_nodes.values()) == trial.ledger.requests
    assert [part.role for part in result.way.parts] == ["client", "sidecar", "gateway", "node", "node"]
    for times in [trial.hop_times for trial in result.trials if trial.experiment == "steady"]:
        # One in fifty of 150, as every proxy logs the same ones; a busy machine may send less.
        assert 1 <= times.samples <= 3
        assert min(times.sidecar_us, times.between_us, times.gateway_us, times.beyond_us) > 0
    assert result.fingerprint.versions["envoy"] != "unknown"
    assert result.first_verified_s > 0
    assert "first verified request after" in done.stderr
    assert result.peak_memory_bytes is not None
    assert result.peak_memory_bytes < 1 << 30
    assert not [path for path in folder.rglob("*") if path.name.endswith(".key")]
    assert b"PRIVATE KEY" not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert (folder / "config" / "eds" / "egress" / "bootstrap.yaml").is_file()
    (folder / "report.html").unlink()
    assert write_report(folder).stat().st_size > 10_000


def test_a_path_that_leads_astray_gets_no_load_and_exit_code_1(short, tmp_path):
    """The verification table finds swapped subsets, and the report says so."""
    path = short / "istio" / "service-entry.yaml"
    text = path.read_text()
    path.write_text(
        text.replace("version: v1", "version: v0").replace("version: v2", "version: v1").replace("v0", "v2")
    )

    done = run_command("run", short, "--out", tmp_path / "out")

    result = read_result(only_folder(tmp_path / "out"))
    assert done.returncode == 1, done.stderr
    assert result.state == "aborted"
    assert result.trials == ()
    assert result.first_verified_s is None
    wrong = [line for line in result.verification if not line.passed]
    assert {line.got for line in wrong} >= {"200 from nginx02, wrong body", "200 from nginx01, wrong body"}
    # By the logs of that very request: the node, and the endpoint's line, which leads there.
    assert {line.cause.hop for line in wrong} == {"nginx01", "nginx02"}
    assert {line.cause.fault for line in wrong if line.kind == "call"} == {"resources"}
    assert all("service-entry.yaml:" in line.cause.where[0] for line in wrong if line.kind == "call")
    assert "correct the Istio YAML" in result.reason
    assert (only_folder(tmp_path / "out") / "report.html").is_file()


def test_an_interrupted_run_keeps_what_it_measured_and_leaves_nothing_running(short, tmp_path):
    scenario = short / "scenario.yaml"
    scenario.write_text(scenario.read_text().replace("blocks: 1", "blocks: 50"))
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = Command("run", short, "--out", tmp_path / "out", env=environment)
    wait_for_trials(process, tmp_path / "out", count=1)
    family = psutil.Process(process.pid).children(recursive=True)

    # As a terminal does it: to the whole process group.
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=300)

    result = read_result(only_folder(tmp_path / "out"))
    assert process.returncode == 130, output
    assert output.rstrip().splitlines()[-1].startswith("error: interrupted")
    assert result.state == "aborted"
    assert result.trials
    _, alive = psutil.wait_procs(family, timeout=300)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
    assert list(tmp_path.glob("egress-bench-*")) == []


def wait_for_trials(process, out: Path, *, count: int) -> None:
    """Return when the run's result on disk holds *count* trials."""

    def there():
        assert process.poll() is None, process.communicate()[0]
        return any(len(json.loads(path.read_text())["trials"]) >= count for path in out.glob("*/result.json"))

    wait_until(there, timeout_s=300)
