"""What all parts of one lab share: the scenario, the record they write into, and what they work with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.errors import MeasurementError
from bench.experiment.handshake.lab.settings import LabOptions
from bench.experiment.instruments import Instruments
from bench.experiment.options import RunOptions
from bench.experiment.run_context import RunContext
from bench.measure import RunRecord, way_of
from bench.observer import Observer
from bench.preparation import make_material, prepare
from bench.result import TlsLab
from bench.scenario.load import LoadedScenario
from bench.stack.runs import supervised_folder


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab; its results are in the record and are on disk after each addition."""

    loaded: LoadedScenario
    options: LabOptions
    record: RunRecord
    observer: Observer
    tools: Instruments

    @contextlib.contextmanager
    def context(self, loaded: LoadedScenario) -> Iterator[RunContext]:
        """What an experiment on *loaded* works with; its keys are gone when this ends."""
        with supervised_folder(f"{loaded.scenario.name} keys") as private:
            prepared = prepare(loaded)
            material = make_material(loaded, private / "material")
            # The lab has paths of its own beside the scenario's, which is the one to draw.
            if self.record.way is None and loaded.scenario.name == self.loaded.scenario.name:
                self.record.way = way_of(prepared, material)
            yield RunContext(
                prepared,
                RunOptions(
                    out=self.options.out,
                    command=self.options.command,
                    backend=self.options.backend,
                    sources=(self.options.config_source,),
                ),
                self.record,
                self.observer,
                material,
                self.tools.make_verifier(prepared, material),
                self.tools,
            )

    @property
    def result(self) -> TlsLab:
        """Everything so far."""
        return self.record.tls_lab or TlsLab(is_full=self.options.is_full)

    def add(self, *, misrouted: int = 0, **parts: Any) -> None:
        """Append to the tuples of the result, or set what is none; saved when this returns."""
        update: dict[str, Any] = {"misrouted": self.result.misrouted + misrouted}
        for name, found in parts.items():
            update[name] = (*getattr(self.result, name), *found) if isinstance(found, tuple | list) else found
        self.record.tls_lab = self.result.model_copy(update=update)
        self.record.save()


def gateway_of(run: RunContext) -> str:
    """The name of the scenario's gateway.

    Raises:
        MeasurementError: it has none.
    """
    gateway = run.scenario.traffic.gateway
    if gateway is None:
        raise MeasurementError(
            "this scenario has no gateway: there are no handshakes of one to measure.",
            remedy="Name it as `traffic: {gateway: …}`.",
        )
    return gateway
