"""Where the translation differs from istiod's answer on purpose: because there are files and no agent.

The user documentation quotes this list, and the conformance check explains differences by it. Everything
else that differs is a mistake.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """One deliberate difference and its reason."""

    code: str
    what: str
    reason: str


REAL_SOCKETS = Difference(
    "real-sockets",
    what="Without interception, listeners keep the names and addresses of redirection (0.0.0.0_80, "
    "VIP_PORT), and services with an address of their own keep a listener of their own; istiod binds all to "
    "127.0.0.1, where services on one port get into each other's way.",
    reason="Each listener is a real socket that the stack binds where it likes; in a pod, only loopback "
    "is sure to work.",
)
NO_PASSTHROUGH = Difference(
    "no-passthrough",
    what="Without interception, outbound ALLOW_ANY is an error.",
    reason="The original destination of a connection would be the listener itself, and the request would "
    "loop.",
)
REFUSED = Difference(
    "refused",
    what="What needs an agent or Kubernetes (credentialName, ISTIO_MUTUAL without certificates, JWT "
    "claims, AUTO_PASSTHROUGH) or interception (resolution NONE and DYNAMIC_DNS, headless Services, "
    "PASSTHROUGH load balancing) without having it is an error that says what to write instead.",
    reason="istiod leaves it to the agent, or quietly drops it; a benchmark of something else than asked "
    "for is worse than none.",
)

ALL_ADDRESSES = Difference(
    "all-addresses",
    what="Each of several addresses of a ServiceEntry is a domain of its HTTP routes; its endpoints count "
    "once.",
    reason="istiod's answer is not stable there: it takes one address as a domain, which one varies, and "
    "repeats the endpoints for each address.",
)
READY_ONLY = Difference(
    "ready-only",
    what="With trafficDistribution only ready endpoints are written.",
    reason="istiod writes the others as unhealthy, from which Envoy reckons how much traffic spills over to "
    "the next zone; they never get any. Files do not follow the state of Pods.",
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that is refused, known by words of its message."""

    feature: str
    words: str


REFUSALS = (
    Refusal("credentialName", "names a Kubernetes secret"),
    Refusal("tls mode ISTIO_MUTUAL without the workload's certificates", "certificates of the workload"),
    Refusal("match on @request.auth.claims", "needs a verified JWT"),
    Refusal("tls mode AUTO_PASSTHROUGH", "AUTO_PASSTHROUGH joins clusters"),
    Refusal("loadBalancer.zoneAwareLbSetting", "zoneAwareLbSetting needs a mesh"),
    Refusal("outbound ALLOW_ANY without interception", "outbound ALLOW_ANY passes unknown hosts"),
    Refusal("resolution DYNAMIC_DNS without interception", "resolution DYNAMIC_DNS of"),
    Refusal(
        "resolution NONE, headless Services, PASSTHROUGH load balancing, without interception",
        "sends connections where the client meant them to go",
    ),
    Refusal("HTTP route whose weights are all 0", "no destination of this route has a weight"),
    Refusal("redirectCode that Envoy does not know", "Envoy cannot redirect with status"),
    Refusal("directResponse.status outside of 200 to 599", "Envoy cannot answer with status"),
    Refusal("fault.delay.exponentialDelay", "Envoy has no exponential delay"),
    Refusal("fault.abort.http2Error", "Envoy cannot abort with an HTTP/2 error"),
)
"""Everything that is refused although Istio accepts it, in full."""


def refusal_of(message: str) -> Refusal | None:
    """Tell which listed refusal *message* is; None: one that nobody decided on."""
    return next((refusal for refusal in REFUSALS if refusal.words in message), None)


DELIBERATE = (REAL_SOCKETS, NO_PASSTHROUGH, REFUSED, ALL_ADDRESSES, READY_ONLY)

SPELLINGS = {
    "max_grpc_timeout": "max_stream_duration.grpc_timeout_header_max: Envoy 1.40 warns of the older field",
    "match_subject_alt_names": "match_typed_subject_alt_names: the same names, with the type that they have",
    "STRICT_DNS, LOGICAL_DNS": "cluster_type envoy.clusters.dns: Envoy 1.40 warns of the older fields",
    "secrets from the agent": "secrets from files, one for each name",
}
"""istiod's spelling -> the one that is written here; the meaning is the same."""
