"""What the effects can say, with the words of each.

Several cases can share one code of ``CODES``; those without a remedy are parts of others.
"""

from __future__ import annotations

from enum import unique

from bench.message import Case


@unique
class EffectCase(Case):
    """What the translation makes of the resources."""

    # Who is hit
    REQUESTS = "requests to {host}"
    REQUESTS_WITH = "requests to {host} with {conditions}"
    COPIES = "copies of {requests}"
    TLS_CONNECTIONS = "TLS connections for {names:or}"
    CONNECTIONS = "connections to {targets:or}"
    PORT_OF_LISTENER = "port {port}"
    OTHER_KINDS = "{count} other kinds"
    # What becomes of it
    ARE_LOST = "{who:listed} are lost at {proxies:listed}"
    GET_503 = "{who:listed} get 503 {flags} at {proxies:listed}"
    ARE_CLOSED = "{who:listed} are closed at {proxies:listed} ({flags})"
    FAIL_AT = "{who} get 503 at {proxy}"
    FAIL_UPSTREAM = "{who} get 503 UF at {proxy}"
    END_AT = "{who} are closed at {proxy}"
    CLOSED_BY = "{who} are closed by {proxy}"
    # Translation
    NOT_FROM_FILES = (
        "{proxy} cannot be configured from files: {what}",
        "{remedy}",
    )
    NOT_FROM_FILES_AT_ALL = (
        "{proxy} cannot be configured from files: {what}",
        "Leave it out.",
    )
    LEFT_OUT = (
        "{place}{warning.what}",
        "{warning.advice}",
    )
    LEFT_OUT_UNADVISED = (
        "{place}{warning.what}",
        "Leave it out.",
    )
    AT_PROXY = "at {proxy}, "
    ENVOY_REFUSES = (
        "Envoy refuses the configuration of {proxy}: {refusal.text}",
        "Write it so that Envoy takes it: until then that part of the proxy is missing.",
    )
    # Destinations
    NO_CLUSTER = (
        "{effect}, because there is no cluster {cluster}: {cause}.",
        "{cause.remedy}",
    )
    NO_ENDPOINT = (
        "{effect}, because {host} has no endpoint on port {port}.",
        "Name endpoints of the service.",
    )
    NO_ENDPOINT_OF_SUBSET = (
        "{effect}, because the subset {subset} of {host} has no endpoint on port {port}.",
        "Label the endpoints as the subset asks.",
    )
    # Encryption
    TLS_DROPPED = (
        "{warning.what}",
        "{warning.advice}",
    )
    PLAIN_TEXT = (
        "{who} leave {proxy} in plain text although this rule for {host} starts TLS: {fate}.",
        "{fate.remedy}",
    )
    RULE_OUT_OF_REACH = (
        "the rule for {host} is out of reach of {proxy}, where {who} leave: {fate}.",
        "{fate.remedy}",
    )
    SNI_IS_ADDRESS = (
        (
            "{who} are sent on with TLS whose SNI follows the Host header, and {host} is an IP address, "
            "which SNI cannot carry: the server gets none."
        ),
        "Write sni, and the name to expect in subjectAltNames.",
    )
    NAME_UNCHECKED = (
        (
            "because sni is written and subjectAltNames is not, {proxy} accepts any certificate of {ca}, "
            "whatever name it is for."
        ),
        "{advice}",
    )
    WRITE_NAME = "Write subjectAltNames: [{name}]."
    WRITE_CERTIFICATE_NAME = "Write subjectAltNames: [{name}]; the servers' certificates lack the name {sni}."
    NO_COMMON_NAME = (
        "The certificates of its servers have no name in common, so none can be demanded as it is."
    )
    WRONG_NAME = (
        "{effect}, because {cause.text}.",
        (
            "Demand a name that the certificate has in subjectAltNames (or sni), or add the name to the "
            "certificates: tls.server_names of the scenario."
        ),
    )
    TLS_WITHIN_TLS = (
        (
            "{who:listed} leave {proxy} as TLS within TLS: this rule adds TLS to what is TLS already, and "
            "the server cannot read what is inside."
        ),
        (
            "Start TLS only where plain HTTP comes: restrict the rule by exportTo or workloadSelector to the "
            "proxy that originates TLS, or let clients call the HTTP port."
        ),
    )
    PLAIN_TO_TLS = (
        (
            "{who} leave {proxy} in plain text for {addresses}, where TLS is expected: servers mostly answer "
            "400."
        ),
        (
            "Start TLS there with a DestinationRule (tls mode SIMPLE or MUTUAL), or name a port for plain "
            "HTTP."
        ),
    )
    # Gateways behind sidecars
    HOSTS_PARTLY_KNOWN = (
        ("{proxy} sends all of {host} to {gateway}, which only knows {known}: other hosts get 404 NR there."),
        "Bind a VirtualService with the same hosts to the Gateway, or narrow the host here.",
    )
    HOST_UNKNOWN = (
        (
            "{who} get 404 NR at {gateway}, because {proxy} sends {host} there and no virtual host of "
            "{gateway} has it: {knowledge}."
        ),
        "Bind a VirtualService with the host {host} to a Gateway whose servers take it.",
    )
    KNOWS = "it knows {hosts}"
    KNOWS_MORE = "it knows {hosts} and {more} more"
    KNOWS_NOTHING = "no VirtualService is bound to that port"
    ADDRESS_UNKNOWN = (
        (
            "who calls {host} by its address {addresses} gets 404 NR at {gateway}: {proxy} takes the address "
            "and sends it on as Host, and the gateway only knows the name."
        ),
        "Write rewrite.authority: {host} in this rule, or add the address to the hosts at the gateway.",
    )
    NO_LISTENER = (
        "{effect}, because {proxy} sends them to port {port} of {gateway}, where no Gateway listens.",
        "Add a server with this port to a Gateway that selects it, or send to a port that has one.",
    )
    IDLE_SERVER = (
        (
            "{effect}, because {proxy} sends them to port {port} of {gateway}, and {server} ({place}) has no "
            "route for that port, so that nothing listens there."
        ),
        "{warning.advice}",
    )
    NO_FILTER_CHAIN = (
        "{effect}, because {outcome.reason}.",
        "Make the hosts of the server match the SNI that is sent.",
    )
    EXPECTS_TLS = (
        "{effect}, because {outcome.reason}.",
        "Make protocol and tls of the server match the DestinationRule for the gateway's Service.",
    )
    EXPECTS_HTTP = (
        "{effect}, because {outcome.reason}.",
        (
            "Use a server of protocol TLS with tcp routes for what is not HTTP inside, or let clients speak "
            "plain HTTP."
        ),
    )
    EXPECTS_CERTIFICATE = (
        "{effect}, because {outcome.reason}.",
        (
            "Write mode ISTIO_MUTUAL, or MUTUAL with a certificate, in the DestinationRule for the gateway's "
            "Service."
        ),
    )
    IDLE_CHAIN = (
        "{effect}, because {outcome.reason}.",
        "Bind a VirtualService to the server.",
    )
    LOOP = (
        "{effect}, because {outcome.reason}.",
        "Send to the external host, not to the gateway again.",
    )
    # Rules that nothing asks
    RULE_IDLE = (
        "no listener of {proxies:listed} ever uses this {kind} rule: {cause}.",
        "{cause.remedy}",
    )
    SERVERS_ASK_OTHERS = (
        "the servers of {gateways:listed} use {kinds:and} rules only",
        "Write it as a {kind} rule.",
    )
    HOST_UNDECLARED_PORT_80 = (
        (
            "no Service and no ServiceEntry that they see has the host {hosts:listed}, and without one only "
            "port 80 knows it, where nothing listens"
        ),
        "Declare {hosts:listed} in a ServiceEntry with the port that clients call.",
    )
    HOST_UNDECLARED = (
        "no Service and no ServiceEntry that they see has the host {hosts:listed}",
        "Declare the host and the port in a ServiceEntry.",
    )
    HOST_AND_PORT_UNDECLARED = (
        "no Service and no ServiceEntry that they see has the host {hosts:listed} and port {ports}",
        "Declare the host and the port in a ServiceEntry.",
    )
    HOST_WITHOUT_PORTS = (
        "{hosts:listed} has no port at all",
        "Give the ServiceEntry the port that clients call.",
    )
    HOST_WITHOUT_PORT = (
        "{hosts:listed} has no port {wanted:or}, only {ports}",
        "Add port {first} to the ServiceEntry, or match a port that it has.",
    )
    PORTS_ASK_OTHERS = (
        "the ports of {hosts:listed} ({ports}) use {kinds:and} rules only",
        "Write it as a {kind} rule, or declare the port with the protocol that clients speak.",
    )
    PORT_AND_PROTOCOL = "{port} {protocol}"
    ANYTHING = "anything"
    ROUTE_HIDDEN = (
        (
            "the route for {conditions} never gets a request of {host} at {proxy}: {other} ({place}) takes "
            "all of them first."
        ),
        "Put both into one VirtualService, the narrower match first.",
    )
    # Policies
    POLICY_LOST = (
        (
            "this policy is lost: of several rules for {host} only the first policy counts, which is that of "
            "{kept} ({place}), and policies are not merged."
        ),
        "Write both policies into one DestinationRule.",
    )
    SETTING_LOST = (
        (
            "{settings:and} of the rule does not hold on port {port} of {host}: settings of a port replace "
            "the whole policy there."
        ),
        "Repeat {settings:and} in these settings.",
    )
    SETTINGS_LOST = (
        (
            "{settings:and} of the rule do not hold on port {port} of {host}: settings of a port replace the "
            "whole policy there."
        ),
        "Repeat {settings:and} in these settings.",
    )
    RULE_SWALLOWED = (
        (
            "{proxy} gets nothing of this rule: another rule for {host} has a workloadSelector and the same "
            "exportTo, and istiod merges this one into that, for the selected workloads alone."
        ),
        'Write exportTo: ["{namespace}"] here: it keeps the two apart.',
    )
    NEVER_EJECTS = (
        "outlier detection of {cluster} can never eject an endpoint: {cause}.",
        "{cause.remedy}",
    )
    ERRORS_SWITCHED_OFF = (
        "every kind of error is switched off",
        "Write consecutive5xxErrors above 0.",
    )
    SHARE_BELOW_ONE = (
        "at most {share} % of {count} endpoint(s) may be out, which is less than one",
        "Write maxEjectionPercent: {needed} or more.",
    )
    LIMIT_BELOW_LOAD = (
        (
            "{cluster} takes at most {limit} {field} at a time, and the planned load has {connections} "
            "connections: what is above it waits or gets 503 UO."
        ),
        "Raise the limit, or lower the connections of the load.",
    )
    # Listeners that several share
    LISTENER_TAKES_ALL = (
        (
            "the listener of port {port} at {proxy} takes every connection to that port, whatever the host, "
            "since {host} has no address: all of them go there."
        ),
        "Write addresses.",
    )
    PORT_IS_HTTP = (
        (
            "port {port} is HTTP for other hosts at {proxy}: what is not HTTP goes to {host}, and HTTP "
            "requests to {host} get 502, since it is not a host of HTTP."
        ),
        "Declare the port with the protocol that clients speak, or write addresses.",
    )
    LISTENER_TAKEN = (
        (
            "connections to {host}:{port} go to {taker} at {proxy}: neither has an address, so both share "
            "the listener of port {port}, and the first one has it."
        ),
        "Write addresses in both ServiceEntries, or export each to those who use it.",
    )
    CHAIN_REPLACED = (
        (
            "because of this rule for {names:and}, {proxy} has no way to other hosts of {host} on port "
            "{port}: istiod leaves out the service's own filter chain once a rule holds for any host below "
            "it."
        ),
        "Add a tls rule with sniHosts: ['{host}'] that sends the others on.",
    )
