"""`egress-bench faults` on containers: named as on processes; what cannot be made is reported, not passed."""

import json

import pytest

from bench.experiment.faults.diagnosis import Cause
from tests.docker.kernel import has_netem
from tests.support.command import run_command

pytestmark = [pytest.mark.docker, pytest.mark.slow]

NAMES = ("gateway-restarted", "node-disconnected", "node-delayed")


def test_faults_over_containers_are_named_and_the_impossible_ones_are_reported_with_the_reason(
    images, tmp_path
):
    only = [word for name in NAMES for word in ("--only", name)]

    done = run_command("faults", "--stack", "docker", "--clean", 0, "--json", *only, "--out", tmp_path)

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["result"]
    faults = {fault["name"]: fault for fault in result["faults"]["faults"]}
    assert set(faults) == set(NAMES)
    delayed = faults.pop("node-delayed")
    if has_netem():
        assert delayed["found"] == Cause.NODE_SLOW
    else:
        assert "built without netem" in delayed["impossible"]
        assert not delayed["detected"]
        assert "1 not possible here" in done.stderr
    assert {name: fault["found"] for name, fault in faults.items()} == {
        "gateway-restarted": Cause.GATEWAY_RESTARTED,
        "node-disconnected": Cause.NODE_FROZEN,
    }
    assert all(fault["detected"] and not fault["early_alarms"] for fault in faults.values())
    assert result["fingerprint"]["stack"] == "docker"
