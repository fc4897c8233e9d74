"""The null-target baseline: what the engine itself, on this machine, adds to every latency it reports."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from bench.child import Child
from bench.errors import LoadError
from bench.load.engine.request import encode
from bench.load.outcome import LoadOutcome
from bench.load.plan import LoadPlan, RequestKind, Stage, Target
from bench.load.run.command import locust_environment
from bench.load.run.launcher import Launcher
from bench.load.run.runner import run_load
from bench.scenario import Schedule, scaled

_DURATION_S: Final = 3.0
_WARM_UP_S: Final = 0.5
_TWIN_HEADER: Final = "x-null-target-kind"
_STUB: Final = Path(__file__).with_name("stub.py")
_ID_DIGITS: Final = 13
"""Of a request id, behind the run's and a slash."""


class PlanRunner(Protocol):
    """``run_load``, or what takes its place."""

    def __call__(self, plan: LoadPlan, folder: Path, *, launcher: Launcher | None = None) -> LoadOutcome:
        """Run a plan."""


def _for_stub(plan: LoadPlan) -> LoadPlan:
    """The same requests as the stub can answer them: plain HTTP/1.1, all of them to it.

    It has no pages of the nodes, whose digests are known: of its bodies the marker is checked. Kinds that
    differ in TLS or port alone would be one request to it: they say in a header which of them they are.
    """
    seen: set[tuple[object, ...]] = set()
    requests: list[RequestKind] = []
    for number, kind in enumerate(map(_plainly, plan.requests)):
        what = (kind.method, kind.path, kind.host, kind.headers, kind.body)
        twin = {"headers": (*kind.headers, (_TWIN_HEADER, str(number)))} if what in seen else {}
        requests.append(kind.model_copy(update=twin))
        seen.add(what)
    return plan.model_copy(update={"requests": tuple(requests)})


def _plainly(kind: RequestKind) -> RequestKind:
    expect = kind.expect.model_copy(update={"body_sha256": {}})
    changes: dict[str, object] = {"target": None, "protocol": "http/1.1", "expect": expect}
    if kind.protocol == "bytes":
        changes |= {"method": "POST", "path": "/", "headers": ()}
    return kind.model_copy(update=changes)


def measure_null_target_baseline(
    plan: LoadPlan,
    folder: Path,
    *,
    duration_s: float = _DURATION_S,
    launcher: Launcher | None = None,
    run_load: PlanRunner = run_load,
) -> LoadOutcome:
    """Send the first measured stage of *plan* to a stub that answers at once, in a process of its own.

    Same engine, same schedule, same connections, same checks; without TLS, and for *duration_s* only. With a
    *launcher* both run where it says. Of a plan with workers elsewhere, it sends the share of those here.

    A ``LoadGenerator``'s ``run_load`` may stand in for the function, so that no process is started again.

    Raises:
        LoadError: the plan measures nothing, or the stub did not start.
    """
    measured = next((stage for stage in plan.stages if stage.kind == "measure"), None)
    if measured is None:
        raise LoadError("the plan has no measured stage, so there is no baseline to measure.")
    folder.mkdir(parents=True, exist_ok=True)
    plan, schedule = _share_of_this_machine(_for_stub(plan), measured.schedule)
    stages = (
        Stage(name="warm-up", kind="warm_up", duration_s=_WARM_UP_S, schedule=schedule),
        Stage(name="baseline", kind="measure", duration_s=duration_s, schedule=schedule),
    )
    path = (folder / "stub-answers.json").resolve()
    path.write_text(json.dumps(_answers_to(plan)), encoding="utf-8")
    with _stub(path, folder.resolve(), launcher) as port:
        target = Target(address="127.0.0.1", port=port, host=plan.target.host)
        return run_load(
            plan.model_copy(update={"target": target, "stages": stages}), folder, launcher=launcher
        )


def _answers_to(plan: LoadPlan) -> dict[str, object]:
    """What the stub is to be asked, and to answer."""
    kinds = [(*encode(plan, kind), *_answer_to(plan, kind)) for kind in plan.requests]
    return {
        "kinds": [[part.decode("latin-1") for part in kind] for kind in kinds],
        "id_bytes": len(f"{plan.run_id}/") + _ID_DIGITS,
        "closes": not plan.connections.keep_alive,
    }


def _answer_to(plan: LoadPlan, kind: RequestKind) -> tuple[bytes, bytes]:
    """A right answer to *kind*, before and after the id."""
    expect = kind.expect
    body = (expect.body_exact if expect.body_exact is not None else (expect.body_contains or "")).encode()
    lines = [f"HTTP/1.1 {expect.status} Stub"]
    if expect.status not in (204, 304):
        lines.append(f"Content-Length: {len(body)}")
    if expect.nodes:
        lines.append(f"{plan.node_header}: {expect.nodes[0]}")
    lines.append(f"{plan.id_header}: ")
    has_body = expect.status not in (204, 304) and kind.method.upper() != "HEAD"
    return "\r\n".join(lines).encode("latin-1"), b"\r\n\r\n" + (body if has_body else b"")


@contextlib.contextmanager
def _stub(answers: Path, folder: Path, launcher: Launcher | None) -> Iterator[int]:
    """A running stub that gives *answers*; gives its port."""
    # Beside the script are modules that nothing may take for Python's own (-P).
    if launcher is None:
        command = [sys.executable, "-P", str(_STUB), str(answers)]
    else:
        arguments = ["-P", launcher.give(_STUB), launcher.give(answers)]
        command = launcher.command("stub", arguments, {"PYTHONUNBUFFERED": "1"})
    # Its input ends with this process, and it with its input.
    theirs, life = os.pipe()
    reader, writer = os.pipe()
    with contextlib.ExitStack() as ends:
        ends.callback(os.close, life)
        lines = ends.enter_context(os.fdopen(reader))
        try:
            stub = Child(
                "stub",
                command,
                log=folder / "stub.log",
                folder=folder,
                environment=locust_environment({}),
                stdin=theirs,
                stdout=writer,
            )
        finally:
            os.close(theirs)
            os.close(writer)
        ends.callback(stub.end)
        line = lines.readline().strip()
        if not line.isdigit():
            raise LoadError(
                "the stub for the null-target baseline did not start. Its last output:\n"
                f"{stub.last_output() or '(none)'}"
            )
        yield int(line)


def _share_of_this_machine(plan: LoadPlan, schedule: Schedule) -> tuple[LoadPlan, Schedule]:
    """What the workers here send of a plan that others share: the stub is out of the others' reach."""
    if not plan.remote_workers:
        return plan, schedule
    share = plan.workers / (plan.workers + plan.remote_workers)
    count = max(plan.workers, round(plan.connections.count * share))
    connections = plan.connections.model_copy(update={"count": count})
    here = {"remote_workers": 0, "master_bind": "127.0.0.1", "master_port": None, "connections": connections}
    return plan.model_copy(update=here), scaled(schedule, share)
