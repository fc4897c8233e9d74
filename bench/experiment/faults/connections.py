"""Faults of a node's connections, and what retries hide: little of it is seen in answers."""

from __future__ import annotations

import itertools
import time

from bench.experiment.faults.diagnosis import Cause
from bench.experiment.faults.field import Field, Tree, no_second
from bench.experiment.faults.kinds import Fault
from bench.experiment.faults.relay import Relay

_LATER_S = 0.03
_ONE_IN = 100
_SETTLED = 6
"""Pieces after which a connection has shaken hands and answered."""
_CUT_ONE_IN = 20
_FAILING = 10.0
"""Percent."""
_TAKEN_S = 0.3
"""Until a proxy has surely taken files that changed."""


def _prepare_to_delay(field: Field) -> None:
    """Lead a node's answers over a relay before the load: new connections would make more slow than a few."""
    pieces = itertools.count(1)

    def delay_s() -> float:
        return _LATER_S if field.in_force and next(pieces) % _ONE_IN == 0 else 0.0

    field.lead_over(field.aims.first.node, lambda real, host: Relay(real, host=host, delay_s=delay_s))
    time.sleep(_TAKEN_S)


def _come_into_force(_: Field) -> None:
    """The relay sees for itself that its time has come."""


def _prepare_to_cut(field: Field) -> None:
    pieces = itertools.count(1)

    def cuts(number: int) -> bool:
        return field.in_force and number > _SETTLED and next(pieces) % _CUT_ONE_IN == 0

    field.lead_over(field.aims.first.node, lambda real, host: Relay(real, host=host, cuts=cuts))
    time.sleep(_TAKEN_S)


def _close_each(field: Field) -> None:
    field.rewrite_node(
        field.aims.first.node,
        lambda conf: conf.replace("keepalive_requests 1000000000;", "keepalive_requests 1;", 1),
    )


def _reload(field: Field) -> None:
    field.parts.reload(field.aims.first.node)


def _hide_failures(field: Field) -> None:
    """Let the gateway try again, then let a part of a node's answers be 503."""
    clusters = field.aims.first.clusters
    policy = {"retry_on": "5xx", "num_retries": 5, "retry_back_off": {"base_interval": "0.001s"}}

    def try_again(tree: Tree) -> bool:
        changed = False
        for resource in tree["resources"]:
            for host in resource.get("virtual_hosts", ()):
                for route in host.get("routes", ()):
                    if route.get("route", {}).get("cluster") in clusters:
                        route["route"]["retry_policy"] = policy
                        changed = True
        return changed

    field.edit_gateway("rds", try_again)
    time.sleep(_TAKEN_S)
    dice = f'split_clients "$connection/$connection_requests/$msec" $fails {{ {_FAILING:g}% 1; * ""; }}\n'
    field.rewrite_node(
        field.aims.first.node,
        lambda conf: conf.replace("http {\n", f"http {{\n    {dice}", 1).replace(
            "location / {", "location / {\n            if ($fails) { return 503; }", 1
        ),
    )


FAULTS = (
    Fault("failures-hidden", "retries hide 10 % failures", Cause.HIDDEN_FAILURES, _hide_failures),
    Fault("connections-closed", "node closes each connection", Cause.CONNECTIONS_CLOSED, _close_each),
    Fault(
        "connections-stale",
        "connections end as requests come",
        Cause.STALE_CONNECTIONS,
        _come_into_force,
        prepare=_prepare_to_cut,
    ),
    Fault("node-reloaded", "node reloaded", Cause.NODE_RELOADED, _reload),
    # Seen from 20 slow requests on, while the other nodes' are not slow by as much: at this rate 36 come.
    Fault(
        "few-slower",
        "1 % of requests 30 ms slower",
        Cause.SLOW_SHARE,
        _come_into_force,
        prepare=_prepare_to_delay,
        obstacle=no_second,
        hold_s=12.0,
        measure_s=13.5,
        arrival_rate=600.0,
    ),
)
