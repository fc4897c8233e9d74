"""A measured window of a result as an equation of a cost model."""

from __future__ import annotations

from bench.analysis.cost.design import Window
from bench.errors import MeasurementError
from bench.result import CapacityWindow


def equation(window: CapacityWindow, role: str) -> Window:
    """What the parts of one role carried in a window, and what they used for it.

    Raises:
        MeasurementError: nobody knows what they carried.
    """
    costs = [cost.cpu_seconds for cost in window.costs if cost.role == role]
    known = [value for value in costs if value is not None]
    carried = window.by_role.get(role)
    if carried is None or carried.requests is None:
        raise MeasurementError(
            f"how many requests parts with role {role} carried is unknown in a window: nothing can be fitted."
        )
    is_designed = has_designed_handshakes(window, role)
    resumed = carried.sessions_reused or 0 if is_designed else 0
    handshakes = carried.handshakes or 0 if is_designed else 0
    return Window(
        # What happened between the readings: on a busy machine some of what was due came before or after.
        seconds=window.read_s or window.duration_s,
        requests=carried.requests,
        full_handshakes=max(0, handshakes - resumed),
        resumed_handshakes=resumed,
        mb_in=carried.requests * window.body_bytes / 1e6,
        mb_out=carried.requests * window.answer_bytes / 1e6,
        # One unknown part makes the sum unknown.
        cpu_s=sum(known) if known and len(known) == len(costs) else 0.0,
    )


def has_designed_handshakes(window: CapacityWindow, role: str) -> bool:
    """Whether windows differ on purpose in the handshakes of this role.

    Proxies that leave the mesh make them as designed. Those of a sidecar beside a gateway come as they come:
    no fit can tell what they cost.
    """
    return role != "sidecar" or "egress" not in window.by_role
