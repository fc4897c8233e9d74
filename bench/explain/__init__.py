"""What will happen to a request, and why: read from the translated configuration of every proxy.

Beside the answers are the parts of them that the effects in `check` and the verification go on from.
"""

from bench.explain.arrival import WrongName, speaks_tls, wrong_name
from bench.explain.clusters import UNLIMITED, UpstreamTls, destination_of
from bench.explain.connections import ANY_ADDRESS, Connection, TlsLayer, find_chain, find_listener, socket_of
from bench.explain.document import document
from bench.explain.explain import Explainer, explain
from bench.explain.matching import conditions_of, describe_match
from bench.explain.mermaid import mermaid
from bench.explain.missing import why_missing
from bench.explain.proxies import STAND_INS, Behind, Proxies, TranslatedProxy
from bench.explain.request import Request, host_of, parse_request
from bench.explain.resources import Sources
from bench.explain.rules import FateCode, fate_of, rules_for
from bench.explain.servers import ServerCertificate
from bench.explain.trace import Branch, Cause, Ending, Hop, Origin, Outcome, Step, Trace
from bench.explain.tracer import Tracer
from bench.explain.tree import tree
from bench.explain.virtual_hosts import BLACKHOLE

__all__ = [
    "ANY_ADDRESS",
    "BLACKHOLE",
    "STAND_INS",
    "UNLIMITED",
    "Behind",
    "Branch",
    "Cause",
    "Connection",
    "Ending",
    "Explainer",
    "FateCode",
    "Hop",
    "Origin",
    "Outcome",
    "Proxies",
    "Request",
    "ServerCertificate",
    "Sources",
    "Step",
    "TlsLayer",
    "Trace",
    "Tracer",
    "TranslatedProxy",
    "UpstreamTls",
    "WrongName",
    "conditions_of",
    "describe_match",
    "destination_of",
    "document",
    "explain",
    "fate_of",
    "find_chain",
    "find_listener",
    "host_of",
    "mermaid",
    "parse_request",
    "rules_for",
    "socket_of",
    "speaks_tls",
    "tree",
    "why_missing",
    "wrong_name",
]
