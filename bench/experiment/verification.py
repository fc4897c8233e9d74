"""The calls before any load, on the stacks of a run: made, noted, their logs kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from bench.errors import BenchError
from bench.experiment.run_context import RunContext
from bench.preparation import Variation
from bench.result import VerificationLine
from bench.stack import Stack
from bench.stack.artifacts import save_logs
from bench.telemetry import GATEWAY_FIELDS
from bench.verify.diagnosis import remedy_for
from bench.verify.path_calls import path_requests

_CALLS = "before any load"
_LOGGING = Variation(access_log=GATEWAY_FIELDS, sidecar_access_log=GATEWAY_FIELDS)


class WrongPathError(BenchError):
    """The path does not lead where the scenario says."""


def verify_stack(run: RunContext, name: str, stack: Stack) -> None:
    """Call everything on one stack."""
    run.observer.stage(f"verifying the path on stack {name}, call by call", 1)
    with _alive(run, name, stack):
        lines = list(run.verifier.ask_scenario(stack))
        _note_first_verified(run, lines)
        lines += run.verifier.ask_matrix(stack)
    run.record.verification += [line.model_copy(update={"stack": name}) for line in lines]
    run.instruments.await_logs(
        [part.access_log for part in stack.components() if part.access_log is not None]
    )
    save_logs(stack, run.record.folder / "logs" / f"{name}-verification")


def verify_gateway_on(run: RunContext) -> None:
    """Let the gateway meet nodes with wrong certificates, on a stack that carries no load.

    Where it starts no TLS there is nothing for it to refuse, and no stack is started.
    """
    if not run.verifier.has_gateway_probes():
        return
    with ExitStack() as aside:
        stack = run.start_stack(aside, "controls", "static", _LOGGING)
        faults = run.options.backend.make_faults(stack)
        run.observer.stage("verifying what the gateway refuses", 2)
        with _alive(run, "controls", stack):
            lines = run.verifier.probe_gateway(stack, faults, run.instruments.await_logs)
        if not all(line.passed for line in lines):
            save_logs(stack, run.record.folder / "logs" / "controls")
    run.record.verification += [line.model_copy(update={"stack": "controls"}) for line in lines]


@contextlib.contextmanager
def _alive(run: RunContext, name: str, stack: Stack) -> Iterator[None]:
    """Of a stack with a dead part no answer is judged: the error names stack and part, whatever failed first.

    Raises:
        StackError: a part has died.
    """
    try:
        yield
    except BenchError as error:
        run.check_alive(stack, _CALLS)
        raise error.about(f"stack {name}") from error
    run.check_alive(stack, _CALLS)


def require_right_path(run: RunContext) -> None:
    """Stop the run if a call went wrong: load would measure nothing."""
    lines = run.record.verification = _looked_into(run)
    run.observer.verification(lines)
    run.record.save()
    wrong = [line for line in lines if not line.passed]
    if wrong:
        raise WrongPathError(
            f"{len(wrong)} of {len(lines)} verification calls were wrong, the first:"
            f" {wrong[0].name} ({wrong[0].stack}): expected {wrong[0].expected}, got {wrong[0].got}"
            f"{f' ({wrong[0].cause.headline})' if wrong[0].cause is not None else ''}.",
            remedy=f"No load was sent. {remedy_for(wrong)}",
        )


def _looked_into(run: RunContext) -> list[VerificationLine]:
    """The lines, the wrong calls among them with their causes, found on a stack that logs every request."""
    lines = run.record.verification
    if all(line.passed or line.cause is not None for line in lines):
        return lines
    # What it cannot find out must not hide what was found.
    with contextlib.suppress(BenchError), ExitStack() as aside:
        stack = run.start_stack(aside, "diagnosis", "static", _LOGGING)
        run.observer.stage("looking for the causes of wrong answers", 1)
        lines = list(run.verifier.look_into(stack, lines, run.instruments.await_logs))
        save_logs(stack, run.record.folder / "logs" / "diagnosis")
    return lines


def _note_first_verified(run: RunContext, lines: Sequence[VerificationLine]) -> None:
    """Note when a request through the path had its right answer from a node for the first time."""
    through = {request.name for request in path_requests(run.scenario) if request.expect.nodes}
    if run.record.first_verified_s is None and any(line.passed and line.name in through for line in lines):
        run.record.first_verified_s = run.instruments.clock() - run.options.began
        run.observer.note(f"first verified request after {run.record.first_verified_s:.1f} s")
