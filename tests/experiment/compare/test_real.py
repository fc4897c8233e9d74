"""Variants on real Envoys: what their own counters say was spoken, and a control plane that dies."""

import os
import signal
from dataclasses import replace
from unittest.mock import Mock

import pytest

from bench.experiment.compare import CompareOptions, compare, parse_variant
from bench.experiment.instruments import REAL
from bench.measure import Meter
from bench.scenario.load import load_scenario
from bench.stack.backend import local_backend
from bench.telemetry.admin import Admin

pytestmark = [pytest.mark.slow, pytest.mark.envoy, pytest.mark.nginx]


def test_each_variant_speaks_the_tls_that_it_asks_for(short, tmp_path):
    versions = {}

    class SpokenMeter(Meter):
        def __init__(self, stack, gateway):
            super().__init__(stack, gateway)
            self.stack = stack

        def costs(self, *readings):
            (part,) = [each for each in self.stack.components() if each.name == "egress"]
            name = self.stack.spec.name
            with Admin(part.admin_url) as admin:
                counted = admin.stats(r"ssl\.versions")
            versions[name] = {each.split(".ssl.versions.")[-1] for each in counted if counted[each]}
            versions[f"{name} listener"] = {
                each for each in counted if each.startswith("listener.") and counted[each]
            }
            return super().costs(*readings)

    loaded = load_scenario(short)
    settings = {"A": [], "B": ["tls-version=1.3"], "C": ["mesh-mtls=on"]}
    variants = [
        parse_variant(name, each, loaded, lambda *_: local_backend()) for name, each in settings.items()
    ]
    instruments = replace(REAL, open_meter=SpokenMeter, write_report=lambda folder: folder)
    result = compare(variants, CompareOptions(tmp_path, "", blocks=1), Mock(), instruments=instruments).result

    assert result.variants.interleaved == "turns"
    assert {trial.total.answered == trial.total.due > 0 for trial in result.trials} == {True}
    assert versions["A"] == {"TLSv1.2"}, "what Envoy offers upstream if nothing is written"
    assert versions["B"] == {"TLSv1.3"}
    assert versions["A listener"] == versions["B listener"] == set()
    assert versions["C listener"]


def test_envoy_serves_on_when_its_control_plane_dies_in_mid_run_and_the_result_says_so(short, tmp_path):
    killed = []

    def open_meter(stack, gateway):
        plane = stack.control_plane()
        if plane is not None and not killed:
            killed.append(plane.pid)
            os.kill(plane.pid, signal.SIGKILL)
        return REAL.open_meter(stack, gateway)

    loaded = load_scenario(short)
    settings = {"A": [], "B": ["config-source=ads"]}
    variants = [
        parse_variant(name, each, loaded, lambda *_: local_backend()) for name, each in settings.items()
    ]
    instruments = replace(REAL, open_meter=open_meter, write_report=lambda folder: folder)
    result = compare(variants, CompareOptions(tmp_path, "", blocks=1), Mock(), instruments=instruments).result

    assert killed
    assert result.state == "complete"
    assert len(result.trials) == 3
    assert all(trial.total.answered == trial.total.due > 0 for trial in result.trials)
    (lost,) = [each for each in result.warnings if each.code == "control-plane-lost"]
    assert "stack B was ended by SIGKILL" in lost.message
