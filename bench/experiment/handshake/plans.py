"""What a new upstream connection costs the gateway and the nodes, in time and CPU.

Three stacks differ in the gateway's connections to the nodes alone: *kept* ones carry request after request;
*resumed* and *full* open one for each request, with Envoy's usual session cache or with none. All log at the
gateway, so the difference is the connection. Trials are interleaved, kept, resumed, full, kept, so that a
drift of the machine falls on all. A full handshake costs several times what a resumed one does: the two are
never mixed in one figure.
"""

from __future__ import annotations

from bench.measure import TrialPlan
from bench.preparation import Variation
from bench.scenario import Constant, Handshake
from bench.telemetry import GATEWAY_FIELDS
from bench.translate import ConfigSource

_KEPT_SHARE = 1 / 6
"""Length of each trial with kept connections, as a part of that of a mode; rounded to half seconds."""


def handshake_variations() -> dict[str, Variation]:
    """The stacks: how the gateway holds its connections and TLS sessions in each."""
    return {
        "kept": Variation(access_log=GATEWAY_FIELDS),
        "resumed": Variation(access_log=GATEWAY_FIELDS, max_requests_per_connection=1),
        "full": Variation(access_log=GATEWAY_FIELDS, max_requests_per_connection=1, max_session_keys=0),
    }


def handshake_plans(settings: Handshake, source: ConfigSource) -> tuple[tuple[str, TrialPlan], ...]:
    """The trials in order, each with the name of the stack that it runs on."""
    part = max(0.5, round(settings.measure_s * _KEPT_SHARE * 2) / 2)
    order = (
        ("kept", "kept connections, before", part),
        ("resumed", "resumed handshakes", settings.measure_s),
        ("full", "full handshakes", settings.measure_s),
        ("kept", "kept connections, after", part),
    )
    return tuple(
        (
            stack,
            TrialPlan(
                name=name,
                experiment="handshake",
                config_source=source,
                schedule=Constant(arrival_rate=settings.arrival_rate),
                measure_s=seconds,
                position=position,
            ),
        )
        for position, (stack, name, seconds) in enumerate(order, start=1)
    )
