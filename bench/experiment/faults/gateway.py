"""Faults of the gateway itself: killed, and restarted where it was."""

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


FAULTS = (Fault("gateway-restarted", "gateway killed and restarted", Cause.GATEWAY_RESTARTED, _restart),)
