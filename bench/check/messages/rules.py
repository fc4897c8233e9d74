"""What the rules of the analyzer can say, with the words of each.

Several cases can share one code of ``CODES``; those without a remedy are parts of others.
"""

from __future__ import annotations

from enum import unique

from bench.message import Case


@unique
class RuleCase(Case):
    """What a rule says of a resource."""

    # Annotations
    UNKNOWN_ANNOTATION = (
        "Istio does not know the annotation {name}.",
        "Correct its name, or remove it.",
    )
    OUTDATED_ANNOTATION = (
        "the annotation {name} is outdated and may stop working.",
        "Remove it.",
    )
    OUTDATED_INJECTION = (
        "the annotation {name} is outdated and may stop working.",
        "Use the label {name} instead.",
    )
    MISPLACED_ANNOTATION = (
        "the annotation {name} has no effect on a {kind}; it belongs to a {places:or}.",
        "Move it.",
    )
    # Claims and credentials
    UNCHECKED_CLAIM = (
        (
            "the route needs the claim {claim}, but no RequestAuthentication checks tokens at {pod}, a pod "
            "of {gateway}."
        ),
        "Apply a RequestAuthentication to the gateway's pods.",
    )
    NO_SECRET = (
        'there is no Secret "{secret}" in {namespace}, where the gateway\'s pods are.',
        "Put the Secret there, or name certificate files.",
    )
    BAD_SECRET = (
        "the Secret {secret} ({place}) has {fault}: the gateway cannot start this listener.",
        "Put a PEM certificate chain and its key into tls.crt and tls.key.",
    )
    KEY_MISSING = "{certificate} but no {key}"
    CERTIFICATE_UNREADABLE = "no readable certificate in {certificate}"
    CERTIFICATE_MISSING = "no certificate"
    # References
    NO_DELEGATE = (
        "there is no VirtualService {name}: the rule is left out.",
        "Define the delegate, or remove the rule.",
    )
    DELEGATE_ELSEWHERE = (
        "there is no VirtualService {name}: the rule is left out.",
        "Write the namespace of {elsewhere:or}.",
    )
    GENERATED_GATEWAY = (
        '"{name}" is a Gateway that istiod makes of the Gateway API; its name may change.',
        "Use an HTTPRoute with that Gateway, or a Gateway of networking.istio.io.",
    )
    NO_GATEWAY = (
        "there is no Gateway {name}: the rules never reach a gateway by this entry.",
        "Write the name of a Gateway as namespace/name, or mesh.",
    )
    GATEWAY_ELSEWHERE = (
        "there is no Gateway {name}: the rules never reach a gateway by this entry.",
        "Write {elsewhere:or}.",
    )
    NO_SERVER = (
        'no server of "{gateway}" takes {hosts}.',
        "Name a Gateway that exists.",
    )
    HOST_NOT_SERVED = (
        "{gateway} ({place}) takes {served}, which is not {hosts}.",
        "Add the host to a server of the Gateway.",
    )
    HIDDEN_HOST = (
        (
            'the {kind} goes to "{host}", which namespace {namespace} does not see: {owner} is exported to '
            "{seen_by} only."
        ),
        "Export it to {namespace} too, or keep this VirtualService to {seen_by} with exportTo.",
    )
    UNDECLARED_DESTINATION = (
        'the {kind} goes to "{host}"{full:aside}, which no Service and no ServiceEntry declares.',
        (
            "Declare it with a ServiceEntry, or write the full name of a Service (only a name without a dot "
            "is completed)."
        ),
    )
    UNDECLARED_SHORT_NAME = (
        'the {kind} goes to "{host}"{full:aside}, which no Service and no ServiceEntry declares.',
        "Declare it with a ServiceEntry, or write the full name of a Service outside of {namespace}.",
    )
    PORT_LEFT_OPEN = (
        (
            '"{host}" has the ports {ports}, and the destination names none: the port is then that of the '
            "listener the request came in by."
        ),
        "Write port.number.",
    )
    PORT_MISSING = (
        '"{host}:{port}" is not there: {declaration}.',
        "Use a port that it has, or add {port} to {owner}.",
    )
    PORT_REPLACED = (
        '"{host}:{port}" is not there: {declaration}.',
        (
            "{other} has the port: remove {owner}, or give one of the two another host (istio-1.0 joins "
            "them, Istio 1.22 and later do not)."
        ),
    )
    DECLARATION = "{owner} ({place}) has {ports}"
    REPLACING_DECLARATION = (
        "{owner} ({place}) has {ports}, and as a Kubernetes Service it replaces {others} of the same host"
    )
    NO_PORT = "no port"
    # Subsets and DestinationRules
    SUBSET_UNDEFINED = (
        (
            'the {kind} goes to the subset "{subset}" of "{host}", which no DestinationRule defines: there '
            "is none with subsets."
        ),
        "Add the subset to a DestinationRule with host {host}, or leave it out here.",
    )
    SUBSET_UNKNOWN = (
        (
            'the {kind} goes to the subset "{subset}" of "{host}", which no DestinationRule defines: they '
            "define {others}."
        ),
        "Add the subset to a DestinationRule with host {host}, or leave it out here.",
    )
    SUBSET_ELSEWHERE = (
        (
            'the {kind} goes to the subset "{subset}" of "{host}", which no DestinationRule defines: {rule} '
            "does, but a rule of that namespace does not count for these clients."
        ),
        "Move {rule} to the namespace {namespace}.",
    )
    SUBSET_LEFT_OUT = (
        (
            "{other} picks subsets of {host}, but this route names none: requests that come in through the "
            "gateway reach all endpoints."
        ),
        "Name the subset here as well.",
    )
    HIDDEN_SERVICE = (
        '"{host}" is exported to {scopes} only, where this rule does not count.',
        "Put the rule into the namespace {namespace}.",
    )
    UNDECLARED_HOST = (
        'no Service and no ServiceEntry has the host "{host}"{full:aside}: the rule has no effect.',
        "Correct the host, or declare it.",
    )
    EMPTY_SUBSET = (
        (
            "no endpoint of {owners} has the labels of the subset {subset} ({labels}): a request that is "
            "routed to it gets 503 (UH, no healthy upstream)."
        ),
        "Correct the labels of the subset, or label the endpoints.",
    )
    FOREIGN_SUBSET = (
        (
            "no endpoint of {owners} has the labels of the subset {subset} ({labels}) ({pod} has, but "
            "belongs to another service): a request that is routed to it gets 503 (UH, no healthy upstream)."
        ),
        "Correct the labels of the subset, or label the endpoints.",
    )
    NO_LABELS = "no labels"
    # Gateways
    NO_WORKLOAD = (
        "no workload has the labels {labels}: no proxy serves this Gateway.",
        "Correct the selector, or add the proxy.",
    )
    CLOSED_PORT = (
        (
            "no Service of the workloads with {labels} has port {port}: the port is reached by a pod's "
            "address only."
        ),
        "Add the port {port} to the Service of the gateway.",
    )
    HOST_SERVED_TWICE = (
        (
            "{other} ({place}) takes {hosts} on the same port of the same workload; {first} is older and "
            "decides how the host is served."
        ),
        "Serve each host in one Gateway only.",
    )
    SHARED_CERTIFICATE = (
        (
            "{other} presents the same certificate at the same workload: an HTTP/2 client uses its open "
            "connection for both, and gets 404 for the other's hosts."
        ),
        "Use one Gateway for all hosts of the certificate, or one certificate for each.",
    )
    # Sidecars
    INJECTION_UNSAID = (
        "the namespace says nothing about sidecars, so its pods get none.",
        "Label it istio-injection=enabled, or =disabled to say that this is wanted.",
    )
    INJECTION_TWICE = (
        "the namespace has both {label} and {revision}.",
        "Keep one of the two labels.",
    )
    NO_SIDECAR = (
        "the pod has no container istio-proxy although its namespace injects one.",
        "Restart the pod.",
    )
    # Hosts that several claim
    HOST_CLAIMED = (
        "the host {hosts} of the mesh is claimed by {rivals} as well; {fate}.",
        "Merge the rules into one VirtualService.",
    )
    RIVAL = "{title} ({place})"
    RIVAL_OF_ITSELF = "this resource twice"
    IS_OLDEST = "this one is the oldest: sidecars use it and ignore the other"
    IS_OLDEST_FOR_SOME = (
        "this one is the oldest: sidecars use it, if it has a rule for them, and ignore the other"
    )
    OLDEST_FOR_SOME = "sidecars use the oldest with a rule for them, {oldest} first, and ignore the rest"
    OLDER = "sidecars use the oldest, {oldest}, and ignore this one"
    HOST_SHARED = (
        "{service} ({place}) has the host {host} as well: {fate}.",
        "Give the ServiceEntry a host of its own, or remove the Service.",
    )
    ENTRY_JOINED = "Istio 1.0 joins the two, but Istio 1.22 and later ignore this ServiceEntry"
    ENTRY_IGNORED = "Istio 1.22 and later ignore this ServiceEntry"
    PORT_IGNORED = "Istio 1.22 and later ignore this ServiceEntry, so its port {port} does not exist"
    PORTS_IGNORED = "Istio 1.22 and later ignore this ServiceEntry, so its ports {ports} do not exist"
    # Ports and their protocols
    PORT_WITHOUT_ADDRESS = (
        (
            "port {port} is plain TCP and the entry has no addresses: without DNS capture its listener takes "
            "every connection to port {port}, whatever the host."
        ),
        "Write addresses, or the protocol that the port speaks (TLS, HTTP).",
    )
    PROTOCOLS_DIFFER = (
        "{host}:{port} is {protocol} here, but {others}; the oldest wins.",
        "Give the port one protocol everywhere.",
    )
    PROTOCOL_SAID = "{title} says {protocol}"
    NO_PROTOCOL = "without protocol"
    NO_PROTOCOL_SAID = "nothing"
    PORT_NAME_SAYS_NOTHING = (
        (
            'port {port} has "{name}", which says no protocol: Istio guesses it from the first bytes of each '
            "connection."
        ),
        "Name the port protocol or protocol-suffix, for example http-api, or write appProtocol.",
    )
    PORT_WITHOUT_NAME = (
        (
            "port {port} has no name, which says no protocol: Istio guesses it from the first bytes of each "
            "connection."
        ),
        "Name the port protocol or protocol-suffix, for example http-api, or write appProtocol.",
    )
    ALIAS_PORT = (
        ("an ExternalName Service has no address, so a TCP port of it takes every connection to its number."),
        "Name the port after the protocol that it speaks, or use a ServiceEntry.",
    )
    # Fields and spelling
    DEPRECATED_PERCENT = (
        "fault.delay.percent is deprecated.",
        "Write percentage: {{value: {percent}}}.",
    )
    CAPITALS = (
        (
            "istiod compares hosts by case, and lower-cases those of VirtualServices only, so {host} is not "
            "the same host as {lowered}."
        ),
        "Write {wanted}.",
    )
    REDIRECT_BY_NAMESPACE = (
        (
            "istiod redirects requests to the host {host} as it is written here, with its namespace, and "
            "requests to {name} get 404 unless a VirtualService is bound to it."
        ),
        "Write the host without its namespace: {name}.",
    )
    NO_REASON = "no reason"
    NO_MESSAGE = "no message"
    CONDITION_FALSE = (
        "{condition} is False ({reason}): {message}.",
        "Correct the waypoint, or remove the label istio.io/use-waypoint.",
    )
    # Servers that nobody verifies
    SKIPS_VERIFICATION = (
        (
            "TLS {mode} to {server} names no caCertificates, and insecureSkipVerify is on: any certificate "
            "is accepted."
        ),
        "Name the CA file in caCertificates, or write caCertificates: system for public CAs.",
    )
    CREDENTIAL_FOR_GATEWAYS = (
        (
            "TLS {mode} to {server} names no caCertificates: a credential is for gateways, sidecars need a "
            "workloadSelector to use one."
        ),
        "Name the CA file in caCertificates, or write caCertificates: system for public CAs.",
    )
    NO_CA = (
        (
            "TLS {mode} to {server} names no caCertificates: Istio before 1.20 accepts any certificate, "
            "later ones only those of public CAs."
        ),
        "Name the CA file in caCertificates, or write caCertificates: system for public CAs.",
    )
    PORT_OF = "{host} port {port}"
    SUBSET_OF = "{host} subset {subset}"
    PORT_OF_SUBSET = "{host} subset {subset} port {port}"
    # Rules and matches that get nothing
    MATCH_REPEATED = (
        "the match is the same as one in {earlier}, which comes first.",
        "Remove one of the two.",
    )
    MATCHES_TAKEN = (
        "{rule} never gets a request: earlier rules have all of its matches.",
        "Remove it, or put it first.",
    )
    BEHIND_CATCH_ALL = (
        "{rule} never gets a request: {earlier} before it has no match and takes everything.",
        "Put the rule without a match last.",
    )
    MATCH_COVERED = (
        "the match never gets a request: {earlier} before it takes all of them.",
        "Put the narrower match first.",
    )
    NAMED_RULE = 'the rule "{name}"'
    NUMBERED_RULE = "rule {number}"
    # What reading and a cluster's validation say; the words come with it
    INPUT = (
        "{what}",
        "{remedy}",
    )
    INPUT_REFUSED = (
        "{what}",
        "A cluster refuses the resource as it is.",
    )
    INPUT_UNREADABLE = (
        "{what}",
        "Correct it.",
    )
    INPUT_NOT_READ = (
        "{what}",
        "Leave it out, or put it elsewhere.",
    )
    INPUT_MISSING = (
        "{what}",
        "Add it.",
    )
    ADMITTED_WITH_WARNING = (
        "{field}: {what}.",
        "A cluster accepts it; write what is meant.",
    )
