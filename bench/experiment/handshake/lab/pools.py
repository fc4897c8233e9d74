"""Connections and handshakes by the gateway's pool settings, beside the law that predicts them."""

from __future__ import annotations

from typing import Final

from bench.analysis.tls import Pool, handshakes_per_s
from bench.experiment.handshake.lab.bench import Lab
from bench.experiment.handshake.lab.paths import LabPath
from bench.experiment.handshake.lab.sessions import running_path
from bench.experiment.handshake.lab.windows import WARM_UP_S, Step, drive
from bench.preparation import Variation
from bench.result import PoolPoint

MIXES: Final[tuple[tuple[float, int, LabPath], ...]] = (
    # Requests per second, workers, path.
    (150, 1, LabPath(nodes=2, requests_per_connection=1)),
    (300, 1, LabPath(nodes=2, requests_per_connection=10)),
    (300, 2, LabPath(nodes=3, requests_per_connection=10)),
    (600, 1, LabPath(nodes=1, requests_per_connection=100)),
    (200, 2, LabPath(nodes=2)),
    (300, 1, LabPath(nodes=2, requests_per_connection=10, http2=True)),
    (200, 2, LabPath(nodes=4, requests_per_connection=5, http2=True)),
    (40, 1, LabPath(nodes=4, idle_timeout_s=0.03)),
    (50, 1, LabPath(nodes=2, idle_timeout_s=0.5, requests_per_connection=4)),
    (30, 1, LabPath(nodes=3, idle_timeout_s=0.05, requests_per_connection=10)),
)
"""None of them has taken part in finding the law, which has no constant that could be fitted."""
_QUICK: Final = (0, 1, 4, 5, 7)


_ENOUGH: Final = 60
"""Handshakes that a window should bring: of the last connections of a pool, some have just begun."""
_MOST_S: Final = 10.0
_FIRST: Final = 12
"""Connections that the first requests may open at once: what they still carry is used up before a window."""


def measure_pools(lab: Lab) -> None:
    """Measure each mix on a stack of its own.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    chosen = range(len(MIXES)) if lab.options.is_full else _QUICK
    for number in chosen:
        rate, workers, path = MIXES[number]
        lab.observer.stage(f"pools: mix {number + 1}", lab.options.schedule.pool_s + 5)
        variation = Variation(
            concurrency=workers,
            tls_version="TLSv1_3",
        )
        with running_path(lab, path, f"pools-{number + 1}", variation) as ground:
            steps, warm_up_s = timing(rate, path, lab.options.schedule.pool_s)
            done = drive(ground.run, ground.stack, ground.meter, steps, 0, warm_up_s=warm_up_s)
        (window,) = done.windows
        lab.add(
            misrouted=done.misrouted,
            pools=[
                PoolPoint(
                    rate=rate,
                    workers=workers,
                    nodes=path.nodes,
                    requests_per_connection=path.requests_per_connection,
                    idle_timeout_s=path.idle_timeout_s,
                    http2=path.http2,
                    requests=window.requests,
                    seconds=window.seconds,
                    connections=window.connections,
                    handshakes=window.handshakes,
                    grown=window.connections - window.ended,
                    predicted_per_s=handshakes_per_s(
                        Pool(
                            # What really came: a late generator is not a fault of the law.
                            rate=window.requests / window.seconds,
                            workers=workers,
                            nodes=path.nodes,
                            requests_per_connection=path.requests_per_connection,
                            idle_timeout_s=path.idle_timeout_s,
                        )
                    ),
                )
            ],
        )


def timing(rate: float, path: LabPath, least_s: float) -> tuple[list[Step], float]:
    """The window of a mix, and the warm-up before it."""
    carried_s = (path.requests_per_connection or 0) / rate
    measured_s = max(least_s, min(_MOST_S, _ENOUGH * carried_s))
    return [Step(rate, measured_s)], max(WARM_UP_S, _FIRST * carried_s)
