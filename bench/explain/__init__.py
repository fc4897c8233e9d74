"""What will happen to a request, and why: read from the translated configuration of every proxy."""

from bench.explain.document import document
from bench.explain.explain import Explainer, explain
from bench.explain.mermaid import mermaid
from bench.explain.proxies import Proxies, TranslatedProxy
from bench.explain.request import Request, parse_request
from bench.explain.trace import Branch, Ending, Hop, Outcome, Step, Trace
from bench.explain.tree import tree

__all__ = [
    "Branch",
    "Ending",
    "Explainer",
    "Hop",
    "Outcome",
    "Proxies",
    "Request",
    "Step",
    "Trace",
    "TranslatedProxy",
    "document",
    "explain",
    "mermaid",
    "parse_request",
    "tree",
]
