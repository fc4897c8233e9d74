"""Write one change to a running gateway, and find out when Envoy has taken it, or why it does not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from bench.check import places_named
from bench.errors import MeasurementError
from bench.placement import ConfigFile, Placement
from bench.stack import Stack
from bench.stack.proxies import plain_reason, reasons_in
from bench.telemetry import Admin
from bench.translate import ADS_FOLDER, ProxyConfig

_PATIENCE_S = 20.0
_POLL_S = 0.004
COUNTED: Final = r"^(cluster|http)\."
"""What Envoy's statistics of clusters and connection managers begin with."""

Render = Callable[[ProxyConfig, Placement], Sequence[ConfigFile]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a write."""

    at_us: int
    """Of the write, microseconds since the epoch."""
    accepted_us: int | None
    acknowledged_s: float | None
    """From the write until the control plane had the answer; None: there is none."""
    refused: str | None
    over_us: int | None = None
    """When the state of before could serve no more requests; None: it goes on."""


class Writer(Protocol):
    """Brings changes to a gateway."""

    @property
    def name(self) -> str:
        """The gateway."""

    @property
    def admin(self) -> Admin:
        """The admin API of its Envoy of now."""

    def write(self, config: ProxyConfig) -> Outcome:
        """Make the gateway work by *config*, and return when the state of before is over, or it is refused.

        Raises:
            MeasurementError, StackError: neither came about.
        """

    def counters(self) -> Mapping[str, int]:
        """What its clusters and connection managers have counted since its start."""


@dataclass(slots=True)
class GatewayWriter:
    """Replaces files, and knows what the gateway has, so that only what changes is written."""

    stack: Stack
    name: str
    render: Render
    admin: Admin
    translated: ProxyConfig
    """As translated, with the places in the YAML: what is changed of it has none."""
    _texts: dict[str, str] = field(default_factory=dict)
    _seen: int = 0
    """Number of the control plane's last event that is known: a thousand changes make many."""

    def remember(self, config: ProxyConfig) -> None:
        """Note what the gateway was started with."""
        self._texts = {file.path: file.text for file in self._render(config)}

    def write(self, config: ProxyConfig) -> Outcome:
        """Write what differs, and return when Envoy has taken or refused it.

        Raises:
            MeasurementError: nothing differs, or Envoy says neither.
            StackError: a file cannot be written, or a part does not answer.
        """
        files = [file for file in self._render(config) if self._texts.get(file.path) != file.text]
        if not files:
            raise MeasurementError("a change that changes nothing was to be written.")
        expected = list(self._expected(files))
        before = self._counters()
        plane = self.stack.control_plane()
        if plane is not None:
            self._seen = max([self._seen, *(each["number"] for each in plane.state(self._seen).events)])
        wall_us, began = time.time_ns() // 1000, time.monotonic()
        said_before = self.stack.component(self.name).log.stat().st_size
        self.stack.write_config(self.name, files)
        refused, taken = self._await(before, expected, began, said_before)
        accepted_us = None if refused else wall_us + round((taken - began) * 1e6)
        acknowledged = None
        if plane is not None:
            answers = [each for each in plane.state(self._seen).events if each["proxy"] == self.name]
            last = [each["at"] for each in answers if each["what"] in {"ack", "nack"}]
            acknowledged = max(last) - began if last else None
            nacks = [each for each in answers if each["what"] == "nack"]
            refused = self._placed(nacks[0]["reason"], nacks[0]["names"]) if nacks else refused
        if refused is None:
            self._texts |= {file.path: file.text for file in files}
        return Outcome(wall_us, accepted_us, acknowledged, refused, over_us=accepted_us)

    def counters(self) -> Mapping[str, int]:
        """What its clusters and connection managers have counted since its start."""
        return self.admin.stats(COUNTED)

    def close(self) -> None:
        """Close the connection to Envoy."""
        self.admin.close()

    def _render(self, config: ProxyConfig) -> Sequence[ConfigFile]:
        return [
            file
            for file in self.render(config, self.stack.placement(self.name))
            if file.path.startswith(("xds/", f"{ADS_FOLDER}/"))
        ]

    def _expected(self, files: Sequence[ConfigFile]) -> Iterator[str]:
        """Give what each counter that must rise is called, or ends with."""
        for file in files:
            if file.path in {"xds/cds.yaml", f"{ADS_FOLDER}/clusters.json"}:
                yield "cluster_manager.cds.update_success"
            elif file.path == f"{ADS_FOLDER}/endpoints.json":
                for name in self._changed_names(file):
                    yield f"cluster.{name}.update_success"
            elif file.path.startswith("xds/eds/"):
                name = next(
                    line.split(": ", 1)[1].strip('"')
                    for line in file.text.splitlines()
                    if line.strip().startswith("cluster_name: ")
                )
                yield f"cluster.{name}.update_success"
            else:
                yield "rds"

    def _changed_names(self, file: ConfigFile) -> Iterator[str]:
        old = set(self._texts.get(file.path, "").splitlines())
        for line in file.text.splitlines():
            if line not in old and line.startswith('{"@type"'):
                yield json.loads(line.removesuffix(","))["cluster_name"]

    def _counters(self) -> dict[str, int]:
        return self.admin.stats("update_(success|rejected)$")

    def _await(
        self, before: Mapping[str, int], expected: Sequence[str], began: float, said_before: int
    ) -> tuple[str | None, float]:
        """Give why it was refused, if it was, and when it was known."""
        while True:
            now = self._counters()
            seen = time.monotonic()
            if _sum(now, "rejected") > _sum(before, "rejected"):
                reasons = reasons_in(self.stack.component(self.name).log, since=said_before)
                return self._placed("; ".join(reasons[:1]) or "it does not say why"), seen
            if all(_rose(before, now, name) for name in expected):
                return None, seen
            if seen - began > _PATIENCE_S:
                self.stack.check_alive()
                raise MeasurementError(
                    f"{self.name} has not taken a change in {_PATIENCE_S:g} s: {', '.join(expected)}.",
                    remedy="The machine may be too busy; its log is in the result folder.",
                )
            time.sleep(_POLL_S)

    def _placed(self, reason: str, names: Sequence[str] = ()) -> str:
        """A reason of Envoy's with the places in the YAML behind the resources that it, or *names*, name."""
        return placed(reason, self.translated, names)


def placed(reason: str, translated: ProxyConfig, names: Sequence[str] = ()) -> str:
    """A reason of Envoy's with the places in the YAML behind the resources that it, or *names*, name."""
    reason = plain_reason(reason)
    places = places_named(translated, " ".join([reason, *names]))
    return f"{reason} ({', '.join(map(str, places))})" if places else reason


def rotate(writer: Writer, make: Callable[[], object]) -> Outcome:
    """Let *make* put new certificates in place; return when Envoy has one of another serial number.

    Raises:
        MeasurementError: it keeps the old one.
    """
    before = writer.admin.certificate_serials()
    make()
    # The rename is the last thing that it does.
    wall_us, began = time.time_ns() // 1000, time.monotonic()
    while writer.admin.certificate_serials() == before:
        if time.monotonic() - began > _PATIENCE_S:
            raise MeasurementError(f"{writer.name} keeps its certificate after {_PATIENCE_S:g} s.")
        time.sleep(_POLL_S)
    taken_us = wall_us + round((time.monotonic() - began) * 1e6)
    return Outcome(wall_us, taken_us, None, None, over_us=taken_us)


def _sum(counters: Mapping[str, int], kind: str) -> int:
    return sum(value for name, value in counters.items() if name.endswith(f"update_{kind}"))


def _rose(before: Mapping[str, int], now: Mapping[str, int], name: str) -> bool:
    if name != "rds":
        return now.get(name, 0) > before.get(name, 0)
    return any(
        value > before.get(each, 0)
        for each, value in now.items()
        if ".rds." in each and each.endswith("update_success")
    )
