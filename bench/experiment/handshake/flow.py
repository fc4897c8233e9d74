"""New upstream connections, with full and with resumed handshakes, against kept ones."""

from __future__ import annotations

from contextlib import ExitStack

from bench.analysis.handshake import doubts
from bench.experiment.handshake.plans import handshake_plans, handshake_variations
from bench.experiment.handshake.reading import handshake_result, read_mode
from bench.experiment.run_context import RunContext
from bench.measure import Trial
from bench.result import HANDSHAKE_KINDS
from bench.scenario import Handshake
from bench.stack.artifacts import save_logs


def measure_handshakes(run: RunContext, settings: Handshake) -> None:
    """Run the trials on stacks of their own, then read every handshake from the logs.

    Raises:
        StackError, LoadError, MeasurementError: a part, the load or a measurement failed.
    """
    scenario, record = run.scenario, run.record
    with ExitStack() as running:
        stacks = {
            name: run.start_stack(running, f"handshake-{name}", run.options.other_source, variation)
            for name, variation in handshake_variations().items()
        }
        done: dict[str, list[Trial]] = {name: [] for name in stacks}
        for name, plan in handshake_plans(settings, run.options.other_source):
            done[name].append(run.run_trial(stacks, name, plan))
        run.observer.stage("reading the handshakes", 1)
        record.handshake = handshake_result(
            scenario.tls.key,
            [
                read_mode(kind, stacks[kind], scenario.traffic.exit, done[kind][0], done["kept"])
                for kind in HANDSHAKE_KINDS
            ],
            done["kept"],
        )
        for warning in doubts(record.handshake):
            record.warn(warning, run.observer)
        for name, stack in stacks.items():
            save_logs(stack, record.folder / "logs" / f"handshake-{name}")
        record.save()
