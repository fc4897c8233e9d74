"""Faults of the proxies themselves: killed and restarted, or frozen for a second."""

from __future__ import annotations

import time

from bench.experiment.faults.diagnosis import Cause
from bench.experiment.faults.field import Field
from bench.experiment.faults.kinds import Fault

_DOWN_S = 0.3


def _restart(field: Field) -> None:
    field.parts.kill(field.gateway)
    time.sleep(_DOWN_S)
    field.parts.restart(field.gateway)


def _freeze_gateway(field: Field) -> None:
    _freeze(field, field.gateway)


def _freeze_sidecar(field: Field) -> None:
    _freeze(field, field.scenario.traffic.client)


def _freeze(field: Field, proxy: str) -> None:
    field.heal_later(lambda: field.parts.resume(proxy))
    field.parts.pause(proxy)


FAULTS = (
    Fault("gateway-restarted", "gateway killed and restarted", Cause.GATEWAY_RESTARTED, _restart),
    Fault("gateway-frozen", "gateway frozen 1 s", Cause.GATEWAY_FROZEN, _freeze_gateway, hold_s=1.0),
    Fault("sidecar-frozen", "sidecar frozen 1 s", Cause.SIDECAR_FROZEN, _freeze_sidecar, hold_s=1.0),
)
