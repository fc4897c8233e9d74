"""Write changes to a gateway, one after the other, beside a load."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from bench.certs import Material
from bench.certs import rotate as rotated
from bench.errors import BenchError
from bench.experiment.update.judging import Written
from bench.experiment.update.wanted import Step, Wanted
from bench.experiment.update.writing import Outcome, Writer, rotate
from bench.load import LoadEvent, LoadOutcome, LoadPlan, StageStarted
from bench.load.run import run_load
from bench.result import RunEvent
from bench.stack import Stack
from bench.translate import ProxyConfig

ROTATION: Final = "certificate rotated"
TAIL_S: Final = 1.5
"""After the last change: its effects are to be seen, too."""
CONNECTIONS: Final = {
    "upstream_cx_total": "connections_opened",
    "upstream_cx_destroy": "connections_closed",
    "ssl.handshake": "handshakes",
    "ssl.session_reused": "sessions_resumed",
}
"""Envoy's counters of a cluster, and the names in the result."""
DISCONNECTED: Final = "clients_disconnected"


@dataclass(slots=True)
class Changing:
    """Writes the changes beside a load."""

    stack: Stack
    writer: Writer
    client: str
    """Name of the proxy beside which the load runs."""
    config: Callable[[Wanted], ProxyConfig]
    """The gateway's configuration with what is wanted."""
    base: Wanted
    """What the gateway was started with."""
    steps: Sequence[Step]
    spacing_s: float
    """From one change to the next; more where Envoy takes longer."""
    material: list[Material]
    """Every generation of certificates; the last one is live."""
    clusters: frozenset[str]
    """Whose connections are counted."""
    written: list[Written] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    counted: list[Mapping[str, int]] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    control_memory: int | None = None
    control_cpu_s: float | None = None
    measured_from_us: int | None = None
    """Start of the measured stage, microseconds since the epoch."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _error: BaseException | None = None

    def beside(self, load: LoadPlan, folder: Path) -> LoadOutcome:
        """Drive *load* and write all changes meanwhile; raises what either raises."""

        def on_event(event: LoadEvent) -> None:
            if isinstance(event, StageStarted) and event.kind == "measure" and self._thread is None:
                self.measured_from_us = time.time_ns() // 1000 - round((time.monotonic() - event.at) * 1e6)
                self._thread = threading.Thread(target=self._run, name="changes")
                self._thread.start()

        try:
            outcome = run_load(
                load,
                folder,
                on_event=on_event,
                stop=self._stop,
                launcher=self.stack.client(self.client),
            )
        finally:
            self._stop.set()
            if self._thread is not None:
                self._thread.join()
        if self._error is not None:
            raise self._error
        return outcome

    def events(self, trial: str) -> Iterator[RunEvent]:
        """The changes as marks in the time of the load *trial*."""
        for each in self.written:
            if self.measured_from_us is not None:
                yield RunEvent(
                    trial=trial,
                    at_s=(each.at_us - self.measured_from_us) / 1e6,
                    kind="certificate-rotation" if each.name == ROTATION else "config-update",
                    label=each.name,
                )

    def _run(self) -> None:
        try:
            self._write_all()
        except (BenchError, OSError, psutil.Error, KeyError, LookupError) as error:
            self._error = error
        finally:
            self._stop.set()

    def _write_all(self) -> None:
        spacing = self.spacing_s
        if self._stop.wait(min(1.0, spacing)):
            return
        self._weigh()
        state, before = self.base, self._connections()
        for step in self.steps:
            began = time.monotonic()
            made = self._rotate() if step.name == ROTATION else self.writer.write(self.config(step.wanted))
            over = made.over_us if made.refused is None else None
            after = step.wanted if made.refused is None else state
            self.written.append(Written(step.name, made.at_us, over, state, after))
            self.outcomes.append(made)
            state = after
            is_stopped = self._stop.wait(max(0.0, spacing - (time.monotonic() - began)))
            now = self._connections()
            self.counted.append({name: now[name] - before[name] for name in now})
            before = now
            if is_stopped:
                return
        self._weigh()
        self._stop.wait(TAIL_S)

    def _rotate(self) -> Outcome:
        """New certificates by one rename of the folder that Envoy watches, whatever its config source."""
        material = self.material
        return rotate(self.writer, lambda: material.append(rotated(material[-1])))

    def requests_at_gateway(self) -> int:
        """What its connection managers have counted since its start."""
        return of_listeners(self.writer.counters(), "downstream_rq_total")

    def _connections(self) -> dict[str, int]:
        stats = self.writer.counters()
        found = {
            reported: sum(stats.get(f"cluster.{cluster}.{name}", 0) for cluster in self.clusters)
            for name, reported in CONNECTIONS.items()
        }
        return found | {DISCONNECTED: of_listeners(stats, "downstream_cx_destroy")}

    def _weigh(self) -> None:
        pid = self.stack.component(self.writer.name).pid
        if pid is not None:
            self.memory.append(psutil.Process(pid).memory_info().rss)
        plane = self.stack.control_plane()
        if plane is not None:
            process = psutil.Process(plane.pid)
            self.control_memory = process.memory_info().rss
            times = process.cpu_times()
            self.control_cpu_s = times.user + times.system


def of_listeners(stats: Mapping[str, int], name: str) -> int:
    """The sum of a counter over the connection managers of all listeners but the admin API's."""
    return sum(
        value
        for each, value in stats.items()
        if each.startswith("http.") and each.endswith(f".{name}") and not each.startswith("http.admin.")
    )
