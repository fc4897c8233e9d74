"""The requests of a scenario for which its gateway shakes hands with nodes; the lab measures no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bench.errors import InputError
from bench.istio.cluster_names import cluster_name
from bench.preparation import Prepared
from bench.result import RunWarning
from bench.routing import Branch, Delivered, Unjudged
from bench.scenario import MixedRequest
from bench.scenario.load import LoadedScenario

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class LabTraffic:
    """A scenario whose every request makes the gateway's own handshakes, and what it lacks of another."""

    loaded: LoadedScenario
    left_out: Mapping[str, str]
    """Request of the scenario -> why it says nothing about handshakes of the gateway."""

    @property
    def warnings(self) -> tuple[RunWarning, ...]:
        """One that says what was left out; none if everything is measured."""
        if not self.left_out:
            return ()
        named = [f"{name}: {why}" for name, why in self.left_out.items()]
        more = f"; and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        return (
            RunWarning(
                code="left-out-of-lab",
                message=f"the lab sends only requests for which the gateway starts TLS. Left out: "
                f"{'; '.join(named[:_MOST_NAMED])}{more}.",
                advice="`egress-bench run` measures all of them.",
            ),
        )


def lab_traffic(prepared: Prepared) -> LabTraffic:
    """Give the part of a scenario that is plain HTTP to a gateway which starts TLS towards the nodes.

    What the second opinion cannot judge stays in: the verdict is on what it is sure of.

    Raises:
        InputError: there is no such request.
    """
    loaded = prepared.loaded
    traffic = loaded.scenario.traffic
    reasons = {each.name: _why_not(prepared, each) for each in traffic.mix}
    requests = {}
    for key, request in traffic.requests.items():
        kept = tuple(each.client for each in traffic.mix if each.key == key and not reasons[each.name])
        if kept:
            is_whole = len(kept) == sum(each.key == key for each in traffic.mix)
            requests[key] = request if is_whole else request.model_copy(update={"clients": kept})
    left_out = {name: why for name, why in reasons.items() if why}
    if not requests:
        name, why = next(iter(left_out.items()))
        more = f", and so on for all {len(left_out)} requests" if len(left_out) > 1 else ""
        raise InputError(
            "no request of this scenario makes its gateway start TLS towards a node, so there are no "
            f"handshakes of a gateway to measure ({name}: {why}{more}).",
            where=loaded.position("traffic"),
            remedy="`egress-bench run` measures this scenario; `handshake --only sessions`, `pools` and "
            "`refusals` measure paths of their own, whatever the scenario.",
        )
    narrowed = traffic.model_copy(update={"requests": requests})
    scenario = loaded.scenario.model_copy(update={"traffic": narrowed})
    return LabTraffic(replace(loaded, scenario=scenario) if left_out else loaded, left_out)


def _why_not(prepared: Prepared, request: MixedRequest) -> str:
    """Why *request* makes the gateway shake no hands; empty: it does, or that is not known."""
    gateway = prepared.loaded.scenario.traffic.gateway
    if gateway is None:
        return "the scenario has no gateway"
    if request.tls is not None:
        return "its TLS is the client's own"
    if not request.is_plain_http:
        return "it is bytes, and no request that the gateway could log"
    branches = prepared.decisions[request.name].branches
    if any(isinstance(each.outcome, Unjudged) for each in branches):
        return ""
    return _why_not_here(prepared, gateway, branches)


def _why_not_here(prepared: Prepared, gateway: str, branches: Iterable[Branch]) -> str:
    delivered = [
        (branch.hops[-1].proxy, branch.outcome.destination)
        for branch in branches
        if isinstance(branch.outcome, Delivered)
    ]
    here = [to for proxy, to in delivered if proxy == gateway]
    secured = {
        cluster.name
        for cluster in prepared.configs[gateway, "static"].clusters
        if cluster.transport_socket is not None
    }
    if any(cluster_name(to.host, to.port, to.subset) in secured for to in here):
        return ""
    if here:
        return f"{gateway} speaks plain text to its node"
    return f"it does not leave the mesh through {gateway}" if delivered else "a proxy answers it"


def nodes_of(prepared: Prepared) -> tuple[str, ...]:
    """The nodes that answer the requests of *prepared*, in the order of the scenario."""
    scenario = prepared.loaded.scenario
    answering = {name for each in scenario.traffic.mix for name in each.expect.nodes}
    return tuple(name for name in scenario.nodes if name in answering) or tuple(scenario.nodes)
