"""What translation refuses and warns of: a code and data. The words stand in one table, for the edge.

Decisions hang on the codes; ``what`` and ``advice`` are for people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bench.errors import Position, UnsupportedError
from bench.istio.problem import Code, Problem


class Refusal(StrEnum):
    """What Istio accepts, and a proxy that is fed from files cannot do."""

    CREDENTIAL_NAME = "credential-name"
    WORKLOAD_CERTIFICATES = "workload-certificates"
    JWT_CLAIMS = "jwt-claims"
    AUTO_PASSTHROUGH = "auto-passthrough"
    ZONE_AWARE = "zone-aware"
    DYNAMIC_DNS = "dynamic-dns"
    RESOLUTION_NONE = "resolution-none"
    HEADLESS = "headless"
    PASSTHROUGH_BALANCING = "passthrough-balancing"
    NO_WEIGHT = "no-weight"
    REDIRECT_CODE = "redirect-code"
    DIRECT_RESPONSE_STATUS = "direct-response-status"
    EXPONENTIAL_DELAY = "exponential-delay"
    HTTP2_ERROR = "http2-error"


class Notice(StrEnum):
    """What the user may not expect, though it is what Istio does."""

    INPUT = "input"
    """About the resources themselves; the words come with it."""
    PORT_TAKEN = "port-taken"
    HOST_TAKEN = "host-taken"
    PORT_NAME_TAKEN = "port-name-taken"
    NO_LISTENER = "no-listener"
    SNI_TAKEN = "sni-taken"
    CIPHER_LEFT_OUT = "cipher-left-out"
    TLS_NOT_VERIFIED = "tls-not-verified"
    TLS_DROPPED = "tls-dropped"
    CREDENTIAL_LEFT_OUT = "credential-left-out"
    ADDRESS_BLOCK_UNREACHABLE = "address-block-unreachable"


_MEANT = (
    "sends connections where the client meant them to go, which only a proxy with interception knows; "
    "{proxy} has interception none."
)
_NAME_ENDPOINTS = "Name the endpoints (resolution STATIC or DNS), or set interception to redirect."
_LEFT_OUT = "this server of Gateway {gateway} has no effect: "
_OWN_PORT = "Give it a port or hosts of its own."

_REFUSED: Mapping[Refusal, tuple[str, str]] = {
    Refusal.CREDENTIAL_NAME: (
        "credentialName {name!r} names a Kubernetes secret, which files cannot reach.",
        (
            "Add `credentials: {{{name}: {{}}}}` under tls of the scenario (its files are made then), or "
            "under inventory (certificate, private_key, ca); or write {files} and caCertificates with file "
            "names."
        ),
    ),
    Refusal.WORKLOAD_CERTIFICATES: (
        "tls mode ISTIO_MUTUAL needs the certificates of the workload, which an agent would bring.",
        (
            "Name them as tls.workload of the scenario or workload of inventory.yaml (certificate, "
            "private_key, ca), or write mode MUTUAL with file names."
        ),
    ),
    Refusal.JWT_CLAIMS: (
        "a match on {header!r} needs a verified JWT, which files alone cannot bring.",
        "Match a header that the client sends, such as x-tenant.",
    ),
    Refusal.AUTO_PASSTHROUGH: (
        "tls mode AUTO_PASSTHROUGH joins clusters of a multi-network mesh, which does not exist here.",
        "Use PASSTHROUGH with tls routes.",
    ),
    Refusal.ZONE_AWARE: (
        "zoneAwareLbSetting needs a mesh that knows in which zone each of its proxies is.",
        "Write localityLbSetting instead.",
    ),
    Refusal.DYNAMIC_DNS: (
        (
            "resolution DYNAMIC_DNS of {host} resolves any name, which no stand-in can answer "
            "for; {proxy} has interception none."
        ),
        "Write each host with resolution DNS or STATIC, or set interception to redirect.",
    ),
    Refusal.RESOLUTION_NONE: (f"resolution NONE of {{host}} {_MEANT}", _NAME_ENDPOINTS),
    Refusal.HEADLESS: (f"the headless Service {{host}} {_MEANT}", _NAME_ENDPOINTS),
    Refusal.PASSTHROUGH_BALANCING: (f"load balancing PASSTHROUGH for {{host}} {_MEANT}", _NAME_ENDPOINTS),
    Refusal.NO_WEIGHT: (
        "no destination of this route has a weight, so no request could go anywhere.",
        "Give at least one destination a weight above 0.",
    ),
    Refusal.REDIRECT_CODE: (
        "Envoy cannot redirect with status {status}.",
        "Use 301, 302, 303, 307 or 308.",
    ),
    Refusal.DIRECT_RESPONSE_STATUS: ("Envoy cannot answer with status {status}.", "Use 200 to 599."),
    Refusal.EXPONENTIAL_DELAY: ("Envoy has no exponential delay.", "Write fixedDelay instead."),
    Refusal.HTTP2_ERROR: (
        "Envoy cannot abort with an HTTP/2 error.",
        "Write httpStatus or grpcStatus instead.",
    ),
}

_NOTICED: Mapping[Notice, tuple[str, str]] = {
    Notice.INPUT: ("{what}", "{remedy}"),
    Notice.PORT_TAKEN: (_LEFT_OUT + "an older {protocol} server has port {port}.", _OWN_PORT),
    Notice.HOST_TAKEN: (_LEFT_OUT + "an older server on port {port} has the host {host} already.", _OWN_PORT),
    Notice.PORT_NAME_TAKEN: (_LEFT_OUT + "another server is called {name}.", "Give its port another name."),
    Notice.NO_LISTENER: (
        "no {rules} rule is bound to {bind}:{port}, so there is no listener.",
        "Bind a VirtualService with {rules} rules to this Gateway: its server uses no others.",
    ),
    Notice.SNI_TAKEN: ("a tls match of {rule} has no effect: its SNI is matched already.", ""),
    Notice.CIPHER_LEFT_OUT: ("the cipher suite {cipher} is not known to Envoy and left out.", ""),
    Notice.TLS_NOT_VERIFIED: (
        "the cluster {cluster} does not verify the server's certificate.",
        "Name caCertificates to verify it.",
    ),
    Notice.CREDENTIAL_LEFT_OUT: (
        (
            "the cluster {cluster} of {proxy} speaks plain text: a sidecar gets the secret of a "
            "credentialName only from a rule that selects it."
        ),
        "Add a workloadSelector to the rule if sidecars are meant; a gateway needs none.",
    ),
    Notice.TLS_DROPPED: (
        (
            "the cluster {cluster} speaks plain text: a setting closer to its port replaces the policy that "
            "has tls, and says nothing about tls itself."
        ),
        "Repeat tls in that setting, or write mode DISABLE there.",
    ),
    Notice.ADDRESS_BLOCK_UNREACHABLE: (
        (
            "{host} represents the addresses {blocks}, and port {port} only takes connections to them; "
            "without interception none will come."
        ),
        "Name single addresses, each gets a listener of its own.",
    ),
}

Data = tuple[tuple[str, object], ...]
Where = Position | str | Callable[[], Position]


@dataclass(frozen=True, slots=True)
class TranslationWarning:
    """Something that the user may not expect, though it is what Istio does."""

    code: str
    """Of ``Notice``, or of the problem that reading the resources found."""
    where: Position
    data: Data = ()
    """What the words are about: name, value."""

    @property
    def what(self) -> str:
        """What happens, for people."""
        return self._text(0)

    @property
    def advice(self) -> str:
        """What to do about it; may be empty."""
        return self._text(1)

    def _text(self, part: int) -> str:
        notice = Notice(self.code) if self.code in set(Notice) else Notice.INPUT
        return _NOTICED[notice][part].format(**dict(self.data))

    def __str__(self) -> str:
        return f"{self.where}: {self.what}{' ' if self.advice else ''}{self.advice}"


def notice_of(problem: Problem) -> TranslationWarning:
    """Pass on what reading the resources found."""
    data = (("what", problem.sentence), ("remedy", problem.remedy or ""))
    code = Notice.INPUT if problem.code is Code.REFUSED else problem.code
    return TranslationWarning(code, problem.where, data)


class RefusedError(UnsupportedError):
    """Files alone cannot do what a resource asks for."""

    def __init__(self, code: Refusal, where: Where, **data: object) -> None:
        self.code = code
        self.data = data
        what, remedy = (text.format(**data) for text in _REFUSED[code])
        super().__init__(what, where=where() if callable(where) else where, remedy=remedy)
