"""Faults of answers: given by no node, another node's, changed, or saying two things at once."""

from __future__ import annotations

from collections.abc import Iterable

from bench.experiment.faults.aims import NotPossibleError
from bench.experiment.faults.diagnosis import Cause
from bench.experiment.faults.field import Field, Tree
from bench.experiment.faults.http_relay import Answering, Changing, HttpRelay, Message
from bench.experiment.faults.kinds import Fault
from bench.headers import ID_HEADER, NODE_HEADER

_ONE_IN = 10


def _not_readable(field: Field) -> str | None:
    """Between the proxies a relay can only read what is not encrypted, and only get what leaves the pod."""
    if not field.topology.has_gateway:
        return "there is no gateway, and so no way between proxies"
    sidecar = field.topology.sidecar
    if field.stack.component(sidecar).is_redirected:
        return f"connections in the pod of {sidecar} are redirected, and reach nothing but its own proxies"
    if any(cluster.get("transport_socket") for cluster in _to_gateway(field, field.sidecar_trees("cds"))):
        return "the way between the proxies is encrypted"
    return None


def _to_gateway(field: Field, trees: Iterable[Tree]) -> list[Tree]:
    return [
        cluster
        for tree in trees
        for cluster in tree["resources"]
        if cluster.get("name") in field.topology.to_gateway
    ]


class _Known:
    """Answers that have passed, by what was asked; every tenth request is one to be tampered with."""

    def __init__(self) -> None:
        self._answers: dict[tuple[bytes, ...], Message] = {}
        self._count = 0

    def keep(self, request: Message, answer: Message) -> None:
        if answer.lines[0].split(b" ")[1] == b"200":
            self._answers[self._kind(request)] = answer

    def is_next(self) -> bool:
        self._count += 1
        return self._count % _ONE_IN == 0

    def of(self, request: Message) -> Message | None:
        return self._answers.get(self._kind(request))

    @staticmethod
    def _kind(request: Message) -> tuple[bytes, ...]:
        own = (ID_HEADER.encode() + b":", b"x-request-id:")
        return tuple(line for line in request.lines if not line.lower().startswith(own))


def _pass_on(_: Message) -> None:
    return None


def _give_ghosts(field: Field) -> None:
    """Answer every tenth request without the gateway, as a cache in between would: right in every word."""
    known = _Known()

    def answer(request: Message) -> Message | None:
        copy = known.of(request)
        own = request.header(ID_HEADER)
        if copy is None or own is None or not known.is_next():
            return None
        return copy.with_header(ID_HEADER, own)

    def change(request: Message, given: Message) -> Message:
        known.keep(request, given)
        return given

    _relay(field, answer, change)


def _mix_up(field: Field) -> None:
    """Give every tenth request the answer of an earlier one, as a connection that lost count would."""
    known = _Known()

    def change(request: Message, given: Message) -> Message:
        earlier = known.of(request)
        known.keep(request, given)
        return earlier if earlier is not None and known.is_next() else given

    _relay(field, _pass_on, change)


def _give_both_lengths(field: Field) -> None:
    known = _Known()

    def change(_: Message, given: Message) -> Message:
        return given.with_header("Transfer-Encoding", b"chunked") if known.is_next() else given

    _relay(field, _pass_on, change)


def _relay(field: Field, answer: Answering, change: Changing) -> None:
    """Put a relay before the gateway. It reads HTTP/1.1 alone, which the gateway takes as it takes HTTP/2."""
    gateway = field.entrance()
    relay = HttpRelay(gateway, host=field.parts.relay_host(), answer=answer, change=change)
    field.heal_later(relay.stop)

    def speak_http1(tree: Tree) -> bool:
        changed = [
            cluster.pop("typed_extension_protocol_options", None) for cluster in _to_gateway(field, [tree])
        ]
        return any(changed)

    field.edit_sidecar("cds", speak_http1)
    if not field.edit_sidecar_endpoints(lambda each: field.detour(each, gateway, relay.address)):
        raise NotPossibleError("no cluster of the sidecar has the gateway's address")


def _only_contain_the_mark(field: Field) -> None:
    node = field.aims.first.node
    field.replace_page(node, f"{field.page(node).read_text(encoding='utf-8')}<p>Changed.</p>\n")


def _name_two_nodes(field: Field) -> None:
    mark = f"add_header {NODE_HEADER} "
    field.rewrite_node(
        field.aims.first.node, lambda conf: conf.replace(mark, f'{mark}"another" always;\n        {mark}', 1)
    )


FAULTS = (
    Fault(
        "ghosts",
        "1 in 10 answered between the proxies",
        Cause.GHOST,
        _give_ghosts,
        obstacle=_not_readable,
    ),
    Fault(
        "other-ids",
        "1 in 10 answers is another request's",
        Cause.OTHER_ID,
        _mix_up,
        obstacle=_not_readable,
    ),
    Fault(
        "both-lengths",
        "Transfer-Encoding with Content-Length",
        Cause.BROKEN_HTTP,
        _give_both_lengths,
        obstacle=_not_readable,
    ),
    Fault("page-changed", "page changed, its mark kept", Cause.FOREIGN_PAGE, _only_contain_the_mark),
    Fault("two-node-headers", "two node headers in an answer", Cause.TWO_NODES, _name_two_nodes),
)
