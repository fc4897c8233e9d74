"""The nodes' end of mutual TLS: clients with a wrong certificate, each of which every node must refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.certs import Material
from bench.headers import NODE_HEADER
from bench.preparation import CERTIFIED_ADDRESS
from bench.result import VerificationLine
from bench.scenario import Node, Scenario
from bench.stack import Component
from bench.verify.calls import Answer, Call, ClientTls


@dataclass(frozen=True, slots=True)
class Identity:
    """A client certificate and its key."""

    certificate: Path
    private_key: Path


@dataclass(frozen=True, slots=True)
class Identities:
    """What the TLS controls present to the nodes."""

    ca: Path
    """The CA that signed the nodes' certificates."""
    right: Identity
    foreign: Identity
    """Signed by another CA, otherwise the same."""
    expired: Identity
    not_yet_valid: Identity

    @classmethod
    def of(cls, material: Material, certificates: str | None = None) -> Identities:
        """Those that were made for a scenario's nodes of one set of certificates; None: of the first."""
        own = material.of_set(certificates)
        return cls(
            ca=own / "ca.crt",
            right=_identity(own),
            foreign=_identity(material.wrong("other-ca", certificates)),
            expired=_identity(material.wrong("expired", certificates)),
            not_yet_valid=_identity(material.wrong("not-yet-valid", certificates)),
        )


def _identity(folder: Path) -> Identity:
    return Identity(certificate=folder / "client.crt", private_key=folder / "client.key")


@dataclass(frozen=True, slots=True)
class ClientTlsControl:
    """One way to probe a node's TLS port, and the answer that nginx must give."""

    name: str
    node: Component
    ca: Path | None
    """None: no TLS at all."""
    identity: Identity | None
    status: int
    marker: str
    is_http2: bool = False
    """Without TLS, it is asked by prior knowledge."""

    @property
    def line_name(self) -> str:
        """What its line of the table is called."""
        return f"{self.node.name}, {self.name}"

    @property
    def call(self) -> Call:
        """What is asked, directly of the node."""
        host, port = next(iter(self.node.addresses.values()))
        identity = self.identity
        if self.ca is None:
            return Call(url=f"http://{host}:{port}/", is_http2=self.is_http2)
        return Call(
            url=f"https://{host}:{port}/",
            tls=ClientTls(
                ca=str(self.ca),
                server_name=CERTIFIED_ADDRESS,
                certificate=str(identity.certificate) if identity is not None else None,
                private_key=str(identity.private_key) if identity is not None else None,
            ),
        )

    def judge(self, answer: Answer) -> VerificationLine:
        """What the table says of the answer."""
        if answer.status is None:
            got, answered, passed = answer.error or "nothing", None, False
        else:
            marked = self.marker in answer.text
            got = f"{answer.status}{f' {self.marker}' if marked else ', other page'}"
            answered = answer.headers.get(NODE_HEADER)
            passed = answer.status == self.status and marked and answered == self.node.name
        return VerificationLine(
            name=self.line_name,
            sent=f"{'http' if self.ca is None else 'https'}://{self.node.name}/ directly",
            expected=f"{self.status} {self.marker}",
            got=got,
            node=answered,
            passed=passed,
            kind="tls-control",
        )


def client_tls_controls(
    nodes: Sequence[Component], scenario: Scenario, identities: Mapping[str, Identities]
) -> Iterator[ClientTlsControl]:
    """Each wrong certificate, the right one, and no TLS at all, at every node that demands a certificate.

    Nodes without HTTP, and those that give wrong answers on purpose, are left out: requests through the path
    show that they are there. Where a node demands none, a client without one is let in; where it speaks no
    TLS, so is plain HTTP.
    *identities* has those of each node.
    """
    for node in nodes:
        own, written = identities[node.name], scenario.nodes[node.name]
        if not _answers_controls(written):
            continue
        # Of answers that are not a page, each is as good as another.
        page = f"{written.word(node.name)}!" if written.size is None and written.protocol != "grpc" else ""
        if node.tls == "none":
            yield ClientTlsControl(
                "plain HTTP",
                node,
                ca=None,
                identity=None,
                status=200,
                marker=page,
                is_http2=written.is_http2,
            )
            continue
        wrong = (
            ("no client certificate", None, 400, "No required SSL certificate was sent"),
            ("certificate of another CA", own.foreign, 400, "The SSL certificate error"),
            ("expired certificate", own.expired, 400, "The SSL certificate error"),
            ("certificate not yet valid", own.not_yet_valid, 400, "The SSL certificate error"),
            ("right certificate", own.right, 200, page),
        )
        open_to_all = (("no client certificate", None, 200, page),)
        for name, identity, status, marker in open_to_all if node.tls == "simple" else wrong:
            yield ClientTlsControl(name, node, own.ca, identity, status, marker)
        yield ClientTlsControl(
            name="plain HTTP to its TLS port",
            node=node,
            ca=None,
            identity=None,
            status=400,
            marker="The plain HTTP request was sent to HTTPS port",
        )


def _answers_controls(node: Node) -> bool:
    return node.protocol != "bytes" and not node.faults
