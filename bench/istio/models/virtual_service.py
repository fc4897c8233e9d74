"""VirtualService: which request goes to which destination."""

from typing import Annotated, ClassVar, Literal

from pydantic import AliasChoices, Field

from bench.istio.models.fields import (
    ChoiceModel,
    Flag,
    Int32,
    Labels,
    MayBeAbsent,
    Number,
    Span,
    StrictModel,
    Text,
    UInt32,
)


class StringMatch(ChoiceModel):
    """One way to compare a text; with none of the three written, any value will do."""

    one_of: ClassVar = (("exact", "prefix", "regex"),)

    exact: MayBeAbsent[Text] = None
    prefix: MayBeAbsent[Text] = None
    regex: MayBeAbsent[Text] = None


class HTTPMatchRequest(StrictModel):
    """All conditions of one match must hold."""

    name: Text = ""
    uri: MayBeAbsent[StringMatch] = None
    scheme: MayBeAbsent[StringMatch] = None
    method: MayBeAbsent[StringMatch] = None
    authority: MayBeAbsent[StringMatch] = None
    headers: dict[Text, StringMatch] = Field(default_factory=dict)
    without_headers: dict[Text, StringMatch] = Field(default_factory=dict)
    query_params: dict[Text, StringMatch] = Field(default_factory=dict)
    port: UInt32 = 0
    source_labels: Labels = Field(default_factory=dict)
    source_namespace: Text = ""
    gateways: tuple[Text, ...] = ()
    ignore_uri_case: Flag = False
    stat_prefix: Text = ""


class PortSelector(StrictModel):
    """A port by its number."""

    number: UInt32 = 0


class Destination(StrictModel):
    """A service, one of its subsets, one of its ports."""

    host: Text
    subset: Text = ""
    port: MayBeAbsent[PortSelector] = None


class HeaderOperations(StrictModel):
    """What happens to the headers of one direction."""

    set: Labels = Field(default_factory=dict)
    add: Labels = Field(default_factory=dict)
    remove: tuple[Text, ...] = ()


class Headers(StrictModel):
    """Header changes for both directions."""

    request: MayBeAbsent[HeaderOperations] = None
    response: MayBeAbsent[HeaderOperations] = None


class HTTPRouteDestination(StrictModel):
    """A destination with its share of the requests."""

    destination: Destination
    weight: Int32 = 0
    headers: MayBeAbsent[Headers] = None


class HTTPRedirect(ChoiceModel):
    """An answer that sends the client elsewhere."""

    one_of: ClassVar = (("port", "derive_port"),)

    uri: Text = ""
    prefix_rewrite: Text = ""
    authority: Text = ""
    scheme: Text = ""
    port: MayBeAbsent[UInt32] = None
    derive_port: MayBeAbsent[Literal["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"]] = None
    redirect_code: UInt32 = 0


class HTTPBody(ChoiceModel):
    """The body of a direct response."""

    one_of: ClassVar = (("string", "bytes_"),)

    string: MayBeAbsent[Text] = None
    bytes_: MayBeAbsent[Text] = Field(default=None, alias="bytes")
    """Base64 text, as written."""


class HTTPDirectResponse(StrictModel):
    """An answer by the proxy itself."""

    status: UInt32
    body: MayBeAbsent[HTTPBody] = None


class Delegate(StrictModel):
    """The VirtualService that has this route's rules."""

    name: Text = ""
    namespace: Text = ""


class RegexRewrite(StrictModel):
    """A rewrite of the path by pattern."""

    match: Text = ""
    rewrite: Text = ""


class HTTPRewrite(StrictModel):
    """What the destination sees instead of the path and the authority."""

    uri: Text = ""
    authority: Text = ""
    uri_regex_rewrite: MayBeAbsent[RegexRewrite] = None


class HTTPRetry(StrictModel):
    """When and how often a request is tried again."""

    attempts: Int32 = 0
    per_try_timeout: MayBeAbsent[Span] = None
    retry_on: Text = ""
    retry_remote_localities: Flag | None = None
    retry_ignore_previous_hosts: Flag | None = None
    backoff: MayBeAbsent[Span] = None


class Percent(StrictModel):
    """A share, 0 to 100."""

    value: Number = 0.0


class Delay(ChoiceModel):
    """An injected delay."""

    one_of: ClassVar = (("fixed_delay", "exponential_delay"),)

    percent: Int32 = 0
    percentage: MayBeAbsent[Percent] = None
    fixed_delay: MayBeAbsent[Span] = None
    exponential_delay: MayBeAbsent[Span] = None


class Abort(ChoiceModel):
    """An injected failure."""

    one_of: ClassVar = (("http_status", "grpc_status", "http2_error"),)

    percentage: MayBeAbsent[Percent] = None
    http_status: MayBeAbsent[Int32] = None
    grpc_status: MayBeAbsent[Text] = None
    http2_error: MayBeAbsent[Text] = None


class HTTPFaultInjection(StrictModel):
    """Faults that are injected on purpose."""

    delay: MayBeAbsent[Delay] = None
    abort: MayBeAbsent[Abort] = None


class HTTPMirrorPolicy(StrictModel):
    """A destination that gets copies of requests."""

    destination: Destination
    percentage: MayBeAbsent[Percent] = None


class CorsPolicy(StrictModel):
    """Cross-origin resource sharing."""

    allow_origin: tuple[Text, ...] = ()
    allow_origins: tuple[StringMatch, ...] = ()
    allow_methods: tuple[Text, ...] = ()
    allow_headers: tuple[Text, ...] = ()
    expose_headers: tuple[Text, ...] = ()
    max_age: MayBeAbsent[Span] = None
    allow_credentials: Flag | None = None
    unmatched_preflights: MayBeAbsent[Literal["UNSPECIFIED", "FORWARD", "IGNORE"]] = None


class HTTPRoute(StrictModel):
    """One rule for HTTP: the first one that matches decides."""

    name: Text = ""
    match: tuple[HTTPMatchRequest, ...] = ()
    route: tuple[HTTPRouteDestination, ...] = ()
    redirect: MayBeAbsent[HTTPRedirect] = None
    direct_response: MayBeAbsent[HTTPDirectResponse] = None
    delegate: MayBeAbsent[Delegate] = None
    rewrite: MayBeAbsent[HTTPRewrite] = None
    timeout: MayBeAbsent[Span] = None
    retries: MayBeAbsent[HTTPRetry] = None
    fault: MayBeAbsent[HTTPFaultInjection] = None
    mirror: MayBeAbsent[Destination] = None
    mirrors: tuple[HTTPMirrorPolicy, ...] = ()
    # The definition has this one field under both names.
    mirror_percent: Annotated[
        UInt32 | None, Field(validation_alias=AliasChoices("mirrorPercent", "mirror_percent"))
    ] = None
    mirror_percentage: MayBeAbsent[Percent] = None
    cors_policy: MayBeAbsent[CorsPolicy] = None
    headers: MayBeAbsent[Headers] = None


class RouteDestination(StrictModel):
    """A destination with its share of the connections."""

    destination: Destination
    weight: Int32 = 0


class TLSMatchAttributes(StrictModel):
    """Conditions on a TLS connection."""

    sni_hosts: tuple[Text, ...]
    destination_subnets: tuple[Text, ...] = ()
    port: UInt32 = 0
    source_labels: Labels = Field(default_factory=dict)
    gateways: tuple[Text, ...] = ()
    source_namespace: Text = ""


class TLSRoute(StrictModel):
    """One rule for TLS that is passed through."""

    match: tuple[TLSMatchAttributes, ...]
    route: tuple[RouteDestination, ...] = ()


class L4MatchAttributes(StrictModel):
    """Conditions on a TCP connection."""

    destination_subnets: tuple[Text, ...] = ()
    port: UInt32 = 0
    source_subnet: Text = ""
    source_labels: Labels = Field(default_factory=dict)
    gateways: tuple[Text, ...] = ()
    source_namespace: Text = ""


class TCPRoute(StrictModel):
    """One rule for TCP."""

    match: tuple[L4MatchAttributes, ...] = ()
    route: tuple[RouteDestination, ...] = ()


class VirtualService(StrictModel):
    """The ``spec`` of a VirtualService."""

    hosts: tuple[Text, ...] = ()
    gateways: tuple[Text, ...] = ()
    http: tuple[HTTPRoute, ...] = ()
    tls: tuple[TLSRoute, ...] = ()
    tcp: tuple[TCPRoute, ...] = ()
    export_to: tuple[Text, ...] = ()
