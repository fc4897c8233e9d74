"""Envoy's counters over a window, and which of them are exact for the account.

Measured with Envoy 1.40, one request of each kind at a time (a test repeats it). For a connection manager:

- ``downstream_rq_total``: every request whose first bytes were read; garbage and half a request line count.
- ``downstream_rq_completed``: every request that got response headers, also those cut off later. The
  status classes ``downstream_rq_1xx`` … ``5xx`` add up to it. So a request with ``expect: 100-continue``
  counts twice, once for each answer; ``downstream_cx_upgrades_total`` counts those whose 1xx is the last.
- ``rq_total`` (the router's): requests that reached the router: not those that the connection manager
  answered itself (400) and not those that the fault filter aborted.
- ``no_route``, ``no_cluster``, ``rq_direct_response`` (redirects are in it): one each, none of them touches
  a cluster. ``fault.aborts_injected``: one each.
- ``downstream_rq_rx_reset``: NOT a count of lost requests. It also counts responses cut off by the upstream
  and bad requests that were answered. A request whose client left is total without completed.

For one cluster:

- ``upstream_rq_total``: every attempt that got a connection, first ones and retries, whatever its end.
- not in it: ``upstream_rq_pending_overflow`` (UO), ``upstream_rq_pending_failure_eject`` (UF, one for each
  failed attempt; for HTTP/2, see below), ``upstream_cx_none_healthy`` (UH), ``upstream_rq_cancelled`` (client
  left while waiting), and what waits right now (gauge ``upstream_rq_pending_active``).
- ``upstream_rq_retry``: every retry that was made, also of attempts that never got a connection.
- so first attempts = total + overflow + failure_eject + none_healthy + cancelled + waiting - retry.
- ``upstream_rq_completed``: one for each downstream request with an answer, local 503 and 504 included;
  answers to attempts that were retried stand in ``retry.upstream_rq_completed``.
- over HTTP/2, ``upstream_rq_pending_failure_eject`` also counts each stream that was under way when its
  connection ended (UC), and ``upstream_cx_destroy_with_active_rq`` counts the connection once, however many
  streams it had. Without a failed connect (``upstream_cx_connect_fail``) all of them were such streams.
- ``upstream_rq_rx_reset`` stays 0 when an HTTP/1.1 upstream closes the connection: UC shows in
  ``upstream_cx_destroy_with_active_rq``, which also counts timeouts (UT) and clients that left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.result import DamageCode, LedgerDamage

GAUGES = ("_active", "_pending_active", "_open", "_buffered")
_UPTIME = "server.uptime"


@dataclass(frozen=True, slots=True)
class Window:
    """The counters of one proxy before and after; names as in ``/stats``."""

    proxy: str
    before: Mapping[str, int]
    after: Mapping[str, int]
    instance_before: str = ""
    """Identity of the process (pid and start time, say); empty: unknown."""
    instance_after: str = ""

    def delta(self, name: str) -> int:
        """How much *name* grew. A counter that Envoy has not made yet is 0."""
        return self.after.get(name, 0) - self.before.get(name, 0)

    def damages(self) -> tuple[LedgerDamage, ...]:
        """Whether the two readings are of one life of the process, and complete."""
        found: list[LedgerDamage] = []
        if not self.before or not self.after:
            which = "before" if not self.before else "after"
            found.append(
                _damage(DamageCode.COUNTERS_MISSING, f"{self.proxy}: nothing was read {which} the window")
            )
            return tuple(found)
        if self.instance_before != self.instance_after:
            found.append(
                _damage(
                    DamageCode.COUNTERS_RESET,
                    f"{self.proxy} is another process: {self.instance_before} before, "
                    f"{self.instance_after} after",
                )
            )
        if self.after.get(_UPTIME, 0) < self.before.get(_UPTIME, 0):
            found.append(_damage(DamageCode.COUNTERS_RESET, f"{self.proxy}: its uptime went back"))
        fallen = [name for name, value in self.before.items() if self._fell(name, value)]
        if fallen:
            found.append(
                _damage(
                    DamageCode.COUNTERS_RESET,
                    f"{self.proxy}: {len(fallen)} counters fell, such as {fallen[0]}",
                )
            )
        return tuple(found)

    def _fell(self, name: str, value: int) -> bool:
        is_request_counter = "_rq_" in name or "_cx_" in name or name.endswith(("no_route", "no_cluster"))
        return (
            is_request_counter
            and not name.endswith(GAUGES)
            and ".circuit_breakers." not in name
            and self.after.get(name, 0) < value
        )


def _damage(code: DamageCode, detail: str) -> LedgerDamage:
    return LedgerDamage(code=code, detail=detail)


@dataclass(frozen=True, slots=True)
class Downstream:
    """What one HTTP connection manager counted in a window."""

    total: int
    answered: int
    """With a final answer: completed, less those completed by a 1xx only."""
    active: int
    """Change of the gauge: requests that are in flight now and were not, less those that were."""
    routed: int
    no_route: int
    no_cluster: int
    direct: int
    aborted: int
    rx_reset: int

    @classmethod
    def of(cls, window: Window, prefix: str) -> Downstream:
        """Read ``http.<prefix>.*``."""

        def delta(name: str) -> int:
            return window.delta(f"http.{prefix}.{name}")

        informational = max(0, delta("downstream_rq_1xx") - delta("downstream_cx_upgrades_total"))
        return cls(
            delta("downstream_rq_total"),
            delta("downstream_rq_completed") - informational,
            delta("downstream_rq_active"),
            delta("rq_total"),
            delta("no_route"),
            delta("no_cluster"),
            delta("rq_direct_response"),
            delta("fault.aborts_injected"),
            delta("downstream_rq_rx_reset"),
        )


@dataclass(frozen=True, slots=True)
class Upstream:
    """What one cluster counted in a window."""

    name: str
    total: int
    retries: int
    overflow: int
    ejected: int
    """Attempts that never got a connection, and, over HTTP/2, the streams of connections that ended."""
    is_multiplexed: bool
    """It has had connections with many streams (HTTP/2, HTTP/3)."""
    connect_failures: int
    none_healthy: int
    cancelled: int
    waiting: int
    broken: int
    """Connections that ended with a request, or streams, on them: UC, UT and clients that left."""
    timeouts: int
    active: int

    @classmethod
    def of(cls, window: Window, cluster: str) -> Upstream:
        """Read ``cluster.<name>.*``; Envoy writes ``:`` in names as ``_``."""
        name = cluster.replace(":", "_")

        def delta(counter: str) -> int:
            return window.delta(f"cluster.{name}.{counter}")

        return cls(
            cluster,
            delta("upstream_rq_total"),
            delta("upstream_rq_retry"),
            delta("upstream_rq_pending_overflow"),
            delta("upstream_rq_pending_failure_eject"),
            any(window.after.get(f"cluster.{name}.upstream_cx_http{n}_total", 0) for n in (2, 3)),
            delta("upstream_cx_connect_fail"),
            delta("upstream_cx_none_healthy"),
            delta("upstream_rq_cancelled"),
            delta("upstream_rq_pending_active"),
            delta("upstream_cx_destroy_with_active_rq"),
            delta("upstream_rq_timeout") + delta("upstream_rq_per_try_timeout"),
            delta("upstream_rq_active"),
        )

    @property
    def torn(self) -> tuple[int, int]:
        """Streams that were under way when their connection ended: at least, and at most this many.

        They are in ``total`` and in ``ejected``: an HTTP/1.1 attempt is never in both.
        """
        if not self.is_multiplexed:
            return 0, 0
        return (self.ejected if not self.connect_failures else 0), self.ejected

    @property
    def lost_on_the_way(self) -> int:
        """At most this many attempts were on connections that ended: nothing behind need have read them."""
        return max(self.broken, self.torn[1])
