"""Did others use the machine while a trial was measured? Then its times say more of them than of the path."""

from __future__ import annotations

from collections.abc import Sequence

from bench.result import MachineUse, RunWarning, TrialResult

OTHERS_LIMIT = 0.10
"""Share of all processors that others may use."""
IDLE_ENOUGH = 0.25
"""With so much of all processors idle, others are not disturbance: there was room beside them."""
STEAL_LIMIT = 0.05
"""Share of all processors that the host of a virtual machine may take away."""


def is_disturbed(use: MachineUse) -> bool:
    """Whether others took processors that the trial would have needed; False where nothing is known."""
    if use.steal_share is not None and use.steal_share > STEAL_LIMIT:
        return True
    if use.others_share is None or use.idle_share is None:
        return False
    return use.others_share > OTHERS_LIMIT and use.idle_share < IDLE_ENOUGH


def judge_machine(trials: Sequence[TrialResult]) -> tuple[RunWarning, ...]:
    """One warning about all disturbed trials."""
    disturbed = [trial for trial in trials if trial.machine is not None and is_disturbed(trial.machine)]
    if not disturbed:
        return ()
    worst = max(disturbed, key=lambda trial: _taken(trial.machine))
    return (
        RunWarning(
            code="machine-disturbed",
            message=f"Others used the machine in {len(disturbed)} of {len(trials)} trials: in {worst.name!r}"
            f" {_taken(worst.machine):.0%} of all processors.",
            advice="Times of these trials contain it. Measure on a machine with nothing else to do.",
        ),
    )


def _taken(use: MachineUse | None) -> float:
    return (use.others_share or 0.0) + (use.steal_share or 0.0) if use is not None else 0.0
