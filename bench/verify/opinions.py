"""Two opinions on one request: ``routing`` reads the resources, ``explain`` reads the translation.

Where they differ, one of them is wrong: that is this suite's fault, never the user's. It is reported before
any load with both reasons, and nothing is judged by either.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.explain import Cause, Ending, Explainer, Trace
from bench.explain import Request as ExplainedRequest
from bench.result import RunWarning
from bench.routing import Case, Decision, Delivered, LocalAnswer, NoConnection, Outcome, Request

_MOST_SHOWN = 3

End = tuple[str, ...]
"""``("endpoint", address:port)``, ``("answer", status)`` or ``("closed",)``."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One request of which the two say different things."""

    name: str
    expectation: str
    """What routing says, and why."""
    explanation: str
    """What explain says, and why."""


class Opinions:
    """Asks ``explain`` about what ``routing`` has decided."""

    def __init__(self, explainer: Explainer, client: str) -> None:
        self._explainer = explainer
        self._client = client

    def trace(self, request: Request) -> Trace:
        """The way of *request* through the translation."""
        return self._explainer.explain(_explained(request), request.proxy or self._client)

    def finds_wrong_name(self, case: Case) -> bool:
        """Whether a certificate on the way of *case* lacks the name that is demanded there."""
        return _has_wrong_name(self.trace(case.request).endings())

    def contradiction(self, case: Case) -> Contradiction | None:
        """What the two say of *case*, if it differs; None also where they cannot be compared."""
        names = [name.lower() for name, _ in case.request.headers]
        if not case.decision.is_judged or len(names) != len(set(names)):
            # explain knows one value for each header.
            return None
        endings = tuple(self.trace(case.request).endings())
        if _has_wrong_name(endings):
            # Of certificates routing says nothing: where one cannot be accepted, both may be right.
            return None
        expected, explained = _ends_of(case.decision), {end for each in endings for end in _ends(each)}
        if expected == explained:
            return None
        return Contradiction(
            case.name,
            "; ".join(dict.fromkeys(_why(branch.outcome) for branch in case.decision.branches)),
            "; ".join(dict.fromkeys(_said(each) for each in endings)),
        )


def _has_wrong_name(endings: Iterable[Ending]) -> bool:
    return any(each.outcome.cause is Cause.WRONG_NAME for each in endings)


def warnings_of(contradictions: Iterable[Contradiction]) -> tuple[RunWarning, ...]:
    """One warning about all of them, with both reasons for the first ones."""
    found = tuple(contradictions)
    if not found:
        return ()
    text = " ".join(
        f"{each.name}: the expectation says {each.expectation}; explain says {each.explanation}."
        for each in found[:_MOST_SHOWN]
    )
    return (
        RunWarning(
            code="opinions-differ",
            message=f"egress-bench contradicts itself about {len(found)} requests. {text}",
            advice="That is a defect of egress-bench and not of your YAML: please report it. These requests"
            " are left out of the request matrix; nothing else is concluded from them.",
        ),
    )


def _explained(request: Request) -> ExplainedRequest:
    return ExplainedRequest(
        method=request.method,
        scheme="http",
        destination=request.address or request.host.partition(":")[0] or request.host,
        port=request.port,
        authority=request.host,
        path=request.path,
        query=request.query,
        headers={name.lower(): value for name, value in request.headers},
    )


def _ends_of(decision: Decision) -> set[End]:
    found: set[End] = set()
    for branch in decision.branches:
        match branch.outcome:
            case Delivered(destination=destination):
                found |= {("endpoint", _address(each.address, each.port)) for each in destination.endpoints}
            case LocalAnswer(status=status):
                found.add(("answer", str(status)))
            case NoConnection():
                found.add(("closed",))
    return found


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _ends(ending: Ending) -> set[End]:
    outcome = ending.outcome
    if outcome.kind == "endpoint":
        return {("endpoint", each.address) for each in outcome.endpoints}
    return {("closed",) if outcome.kind == "closed" else ("answer", str(outcome.status))}


def _why(outcome: Outcome) -> str:
    match outcome:
        case Delivered(destination=destination):
            return f"delivered to {destination.name}"
        case LocalAnswer():
            return f"{outcome.status} from {outcome.by} ({outcome.why})"
        case NoConnection():
            return f"no connection to {outcome.by} ({outcome.why})"
    return f"nothing ({outcome.reason})"


def _said(ending: Ending) -> str:
    outcome = ending.outcome
    status = f"{outcome.status} from " if outcome.status is not None else ""
    return f"{status}{outcome.proxy}: {outcome.reason}"
