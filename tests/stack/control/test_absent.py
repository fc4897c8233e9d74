"""An Envoy whose control plane does not answer: it waits, or it starts after the time that it is given."""

from pathlib import Path

import pytest
import yaml

from bench.commands.translation import write_translation
from bench.errors import StackError
from bench.stack.control import ControlPlane
from bench.stack.runs import RunFolder
from tests.support.envoy import running_envoy
from tests.support.waiting import wait_until

pytestmark = pytest.mark.envoy

SHIPPED = Path("scenarios/egress-mtls")


@pytest.mark.parametrize("source", ["ads", "ads-delta"])
def test_envoy_starts_without_an_answer_after_the_initial_fetch_timeout(tmp_path, source):
    write_translation(
        SHIPPED, role="egress", config_source=source, out=tmp_path / "envoy", initial_fetch_timeout_s=0.3
    )
    with running_envoy(tmp_path / "envoy" / "bootstrap.yaml") as envoy:
        timeouts = envoy.stats("init_fetch_timeout")

        assert envoy.get("/ready").strip() == "LIVE"
        assert timeouts["cluster_manager.cds.init_fetch_timeout"] == 1
        assert timeouts["listener_manager.lds.init_fetch_timeout"] == 1
        assert envoy.ports() == {}


def test_it_waits_as_long_as_it_takes_unless_it_is_told_otherwise(tmp_path):
    write_translation(SHIPPED, role="egress", config_source="ads", out=tmp_path / "envoy")
    written = yaml.safe_load((tmp_path / "envoy" / "bootstrap.yaml").read_text())

    sources = [written["dynamic_resources"][name] for name in ("lds_config", "cds_config")]
    assert [each["initial_fetch_timeout"] for each in sources] == ["0s", "0s"]


def test_one_that_ends_while_it_starts_is_reported_at_once(monkeypatch):
    monkeypatch.setattr("bench.stack.control.running.sys.executable", "/bin/false")

    def wait(process, is_ready):
        wait_until(is_ready)

    with (
        RunFolder.create("x") as folder,
        pytest.raises(StackError, match="exited with code 1 before it was ready"),
    ):
        ControlPlane(folder, wait)
