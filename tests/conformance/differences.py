"""Where the translation differs from istiod's answer on purpose: because there are files and no agent.

The conformance check explains differences by this list. Everything else that differs is a mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.translate import Refusal


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
    what="Without interception, unknown hosts of outbound ALLOW_ANY reach a cluster without endpoints: 503.",
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
    reason="istiod writes the others as unhealthy, from which Envoy computes how much traffic spills over to "
    "the next zone; they never get any. Files do not follow the state of Pods.",
)


REFUSALS: Mapping[Refusal, str] = {
    Refusal.CREDENTIAL_NAME: "credentialName",
    Refusal.WORKLOAD_CERTIFICATES: "tls mode ISTIO_MUTUAL without the workload's certificates",
    Refusal.JWT_CLAIMS: "match on @request.auth.claims",
    Refusal.AUTO_PASSTHROUGH: "tls mode AUTO_PASSTHROUGH",
    Refusal.ZONE_AWARE: "loadBalancer.zoneAwareLbSetting",
    Refusal.DYNAMIC_DNS: "resolution DYNAMIC_DNS without interception",
    Refusal.RESOLUTION_NONE: "resolution NONE without interception",
    Refusal.HEADLESS: "headless Services without interception",
    Refusal.PASSTHROUGH_BALANCING: "PASSTHROUGH load balancing without interception",
    Refusal.NO_WEIGHT: "HTTP route whose weights are all 0",
    Refusal.REDIRECT_CODE: "redirectCode that Envoy does not know",
    Refusal.DIRECT_RESPONSE_STATUS: "directResponse.status outside of 200 to 599",
    Refusal.EXPONENTIAL_DELAY: "fault.delay.exponentialDelay",
    Refusal.HTTP2_ERROR: "fault.abort.http2Error",
}
"""Everything that is refused although Istio accepts it, in full."""

DELIBERATE = (REAL_SOCKETS, NO_PASSTHROUGH, REFUSED, ALL_ADDRESSES, READY_ONLY)

SPELLINGS = {
    "max_grpc_timeout": "max_stream_duration.grpc_timeout_header_max: Envoy 1.40 warns of the older field",
    "match_subject_alt_names": "match_typed_subject_alt_names: the same names, with the type that they have",
    "STRICT_DNS, LOGICAL_DNS": "cluster_type envoy.clusters.dns: Envoy 1.40 warns of the older fields",
    "secrets from the agent": "secrets from files, one for each name",
}
"""istiod's spelling -> the one that is written here; the meaning is the same."""
