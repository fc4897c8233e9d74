"""Certificates and keys of one scenario on disk, laid out so that one rename rotates all of them.

    FOLDER/            0700
    ├── live -> 1      what proxies and nodes are configured to read; rotation renames a new link over it
    ├── 1/             ca.crt  server.crt  server.key  client.crt  client.key, and those of workloads;
    │                  the same five in a folder for each further set, by an authority of its own,
    │                  and in node-NAME for each node with names of its own, by the authority of its set;
    │                  server-NAME.crt and .key of each further server
    └── wrong/         the same five names in each of
        ├── other-ca/       issued by an authority that nothing trusts
        ├── expired/        ended yesterday
        ├── not-yet-valid/  begins tomorrow
        └── wrong-san/      the server certificate names another host
            and in each of them, in a folder of its own, the same of every further set

The authority's own key is never written. Keys are 0600.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from bench.certs.authority import Authority, Issued, Validity
from bench.certs.files import make_private, point_live_at, write, write_errors_explained, write_pair
from bench.certs.keys import KeyType, PrivateKey, generate_keys
from bench.certs.workloads import CA_FILE, Workloads, certificate_file, key_file, workload_files

Wrong = Literal["other-ca", "expired", "not-yet-valid", "wrong-san"]
WRONG: tuple[Wrong, ...] = get_args(Wrong)
SET_KEYS = 3
"""Keys in the right set: of authority, server and client."""
WRONG_NAME = "wrong.invalid"
"""The only name in a server certificate of kind ``wrong-san``; RFC 2606 reserves ``.invalid``."""


@dataclass(frozen=True, slots=True)
class SetNames:
    """What a further set of certificates is for."""

    server: Sequence[str]
    """SANs of its server certificate."""
    client: str
    """Common name of its client certificate."""


@dataclass(frozen=True, slots=True)
class ServerNames:
    """A server with a certificate of its own: a gateway that ends TLS, or a node with names of its own."""

    names: Sequence[str]
    """SANs of its certificate."""
    of_set: str | None = None
    """The set whose authority signs it; None: the first."""


@dataclass(frozen=True, slots=True)
class Material:
    """What lies in one material folder, and the authority that can issue more."""

    folder: Path
    generation: int
    key_type: KeyType
    names: tuple[str, ...]
    """SANs of the server certificate."""
    authority: Authority
    server: Issued
    client: Issued
    client_name: str
    client_uri: str | None
    sets: tuple[str, ...] = ()
    """Further sets."""
    servers: tuple[str, ...] = ()
    """Further servers."""
    nodes: tuple[str, ...] = ()
    """Nodes with a certificate of their own."""
    trusted: Mapping[str | None, bytes] = field(default_factory=dict)
    """Set -> authorities in PEM that its ``ca.crt`` holds beside its own."""
    workloads: Workloads | None = None
    """Who gets a certificate of the mesh; None: no proxy."""

    def server_files(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of a further server."""
        return self.live / f"server-{name}.crt", self.live / f"server-{name}.key"

    @property
    def live(self) -> Path:
        """The link to the current generation; give this path to proxies and nodes."""
        return self.folder / "live"

    def of_set(self, name: str | None) -> Path:
        """The folder of one set; None: the first."""
        return self.live / name if name is not None else self.live

    def of_node(self, node: str, of_set: str | None) -> Path:
        """The folder of one node, which is of the set *of_set*."""
        return self.live / _node_folder(node) if node in self.nodes else self.of_set(of_set)

    def wrong(self, kind: Wrong, of_set: str | None = None, *, node: str | None = None) -> Path:
        """The folder of deliberately wrong certificates of one kind, wrong in that point alone.

        With *of_set* they are otherwise those of that set: by its authority, with its names; with *node* they
        have the names of its own, if it has any.
        """
        folder = self.folder / "wrong" / kind
        if node in self.nodes:
            return folder / _node_folder(node)
        return folder / of_set if of_set is not None else folder

    def public_files(self) -> tuple[Path, ...]:
        """Certificates of the live generation: the only files here that may leave the folder."""
        names = ["ca.crt", "server.crt", "client.crt"]
        if self.workloads is not None:
            names += workload_files(list(self.workloads.identities))
        names += [self.server_files(name)[0].name for name in self.servers]
        folders = [*self.sets, *map(_node_folder, self.nodes)]
        names += [f"{one}/{name}" for one in folders for name in ("ca.crt", "server.crt", "client.crt")]
        return tuple(self.live / name for name in names)


def write_material(
    folder: Path,
    *,
    names: Sequence[str],
    key_type: KeyType = "rsa-4096",
    client_name: str = "egressgateway",
    client_uri: str | None = None,
    sets: Mapping[str, SetNames] | None = None,
    servers: Mapping[str, ServerNames] | None = None,
    nodes: Mapping[str, ServerNames] | None = None,
    trusted: Mapping[str | None, bytes] | None = None,
    identities: Mapping[str, str] | None = None,
    workload_key_type: KeyType = "rsa-2048",
    wrong: bool = True,
    now: datetime | None = None,
    make_keys: Callable[[Sequence[KeyType]], Sequence[PrivateKey]] = generate_keys,
) -> Material:
    """Create authority, server and client certificate below *folder*, and the wrong ones unless asked not to.

    The three keys of the right set are of *key_type* and are made in parallel; the wrong certificates share
    the leaf keys, and their other authority always signs with P-256: it only has to be unknown.

    Args:
        folder: must not exist, or be empty; becomes 0700.
        names: SANs of the server certificate: DNS names, IP addresses, URIs.
        key_type: of authority, server and client.
        client_name: common name of the client certificate.
        client_uri: SPIFFE identity of the client, if it has one.
        sets: further sets by name; their keys are of *key_type*, too.
        servers: further servers by a name that can be part of a file's; the same.
        nodes: nodes that have a certificate of their own; the same.
        trusted: set (None: the first) -> authorities in PEM that are trusted wherever its own is.
        identities: proxy name -> SPIFFE identity of those that get a certificate of the mesh, by an
            authority of its own.
        workload_key_type: of their keys.
        wrong: whether to write the wrong ones too.
        now: the moment that validity is counted from, in UTC; default: the clock's.
        make_keys: where the keys of the right set come from.

    Raises:
        InputError: a name cannot be in a certificate.
        StackError: the folder cannot be written or is not empty.
    """
    moment = now if now is not None else datetime.now(UTC)
    make_private(folder)
    with write_errors_explained(folder):
        root_key, server_key, client_key = make_keys([key_type] * SET_KEYS)
        authority = Authority.create(key=root_key, validity=Validity.around(moment))
        issuer = _Issuer(tuple(names), client_name, client_uri, server_key, client_key)
        server, client = issuer.issue(authority, Validity.around(moment))
        material = Material(
            folder=folder,
            generation=1,
            key_type=key_type,
            names=issuer.names,
            authority=authority,
            server=server,
            client=client,
            client_name=client_name,
            client_uri=client_uri,
            sets=tuple(sets or ()),
            servers=tuple(servers or ()),
            nodes=tuple(nodes or ()),
            trusted=dict(trusted or {}),
            workloads=Workloads.of(identities, key_type=workload_key_type, now=moment)
            if identities
            else None,
        )
        _write_set(folder / "1", authority, server, client, material.trusted.get(None, b""))
        _write_workloads(folder / "1", material.workloads, moment)
        issuers = {name: _write_own_set(material, name, each, moment) for name, each in (sets or {}).items()}
        signing = {None: authority} | {name: each for name, (each, _) in issuers.items()}
        _write_servers(folder / "1", servers or {}, signing, key_type, moment)
        issuers |= _write_nodes(material, nodes or {}, signing, issuer, moment)
        point_live_at(folder, 1)
        if wrong:
            # Made here: the mode that mkdir is given does not reach the parents it makes on the way.
            (folder / "wrong").mkdir(mode=0o700)
            for kind in WRONG:
                other, bad_server, bad_client = issuer.issue_wrong(authority, kind, moment)
                _write_set(material.wrong(kind), other, bad_server, bad_client)
                for name, (its_authority, its_issuer) in issuers.items():
                    _write_set(
                        material.wrong(kind) / name, *its_issuer.issue_wrong(its_authority, kind, moment)
                    )
        return material


def rotate(material: Material, *, now: datetime | None = None) -> Material:
    """Issue new server, client and workload certificates with new keys and make them live by one rename.

    The authorities stay, so old and new trust each other. A proxy notices by ``watched_directory`` on
    ``material.folder``; nginx by a reload.
    """
    moment = now if now is not None else datetime.now(UTC)
    server_key, client_key = generate_keys([material.key_type] * 2)
    issuer = _Issuer(material.names, material.client_name, material.client_uri, server_key, client_key)
    server, client = issuer.issue(material.authority, Validity.around(moment))
    generation = material.generation + 1
    with write_errors_explained(material.folder):
        fresh = material.folder / str(generation)
        _write_set(fresh, material.authority, server, client, material.trusted.get(None, b""))
        _write_workloads(fresh, material.workloads, moment)
        for name in (*material.sets, *map(_node_folder, material.nodes)):
            shutil.copytree(material.live / name, fresh / name)
        for name in material.servers:
            for file in material.server_files(name):
                shutil.copy(file, fresh)
        point_live_at(material.folder, generation)
    return dataclasses.replace(material, generation=generation, server=server, client=client)


@dataclass(frozen=True, slots=True)
class _Issuer:
    """Issues the two leaves of a set, right or wrong, with the same keys."""

    names: tuple[str, ...]
    client_name: str
    client_uri: str | None
    server_key: PrivateKey
    client_key: PrivateKey

    def issue(
        self, authority: Authority, validity: Validity, names: Sequence[str] | None = None
    ) -> tuple[Issued, Issued]:
        return (
            authority.issue_server(
                names if names is not None else self.names, key=self.server_key, validity=validity
            ),
            authority.issue_client(
                self.client_name, uri=self.client_uri, key=self.client_key, validity=validity
            ),
        )

    def issue_wrong(
        self, authority: Authority, kind: Wrong, now: datetime
    ) -> tuple[Authority, Issued, Issued]:
        if kind == "other-ca":
            other = Authority.create("egress-bench other CA", validity=Validity.around(now))
            return (other, *self.issue(other, Validity.around(now)))
        if kind == "expired":
            return (authority, *self.issue(authority, Validity.expired(now)))
        if kind == "not-yet-valid":
            return (authority, *self.issue(authority, Validity.not_yet(now)))
        return (authority, *self.issue(authority, Validity.around(now), names=[WRONG_NAME]))


def _write_set(
    folder: Path, authority: Authority, server: Issued, client: Issued, trusted: bytes = b""
) -> None:
    folder.mkdir(mode=0o700)
    write(folder / "ca.crt", authority.certificate_pem + trusted, 0o644)
    for name, issued in (("server", server), ("client", client)):
        write_pair(folder, name, issued)


def _write_servers(
    folder: Path,
    servers: Mapping[str, ServerNames],
    authorities: Mapping[str | None, Authority],
    key_type: KeyType,
    now: datetime,
) -> None:
    keys = generate_keys([key_type] * len(servers))
    for (name, server), key in zip(servers.items(), keys, strict=True):
        issued = authorities[server.of_set].issue_server(
            # A secret that a Gateway names can be named by a rule for clients, too.
            server.names,
            key=key,
            validity=Validity.around(now),
            is_client=True,
        )
        write_pair(folder, f"server-{name}", issued)


def _node_folder(node: str) -> str:
    return f"node-{node}"


def _write_nodes(
    material: Material,
    nodes: Mapping[str, ServerNames],
    authorities: Mapping[str | None, Authority],
    first: _Issuer,
    now: datetime,
) -> dict[str, tuple[Authority, _Issuer]]:
    """Make the certificates of nodes with names of their own, and give what issues more, by folder."""
    keys = generate_keys([material.key_type] * len(nodes))
    made: dict[str, tuple[Authority, _Issuer]] = {}
    for (node, server), key in zip(nodes.items(), keys, strict=True):
        authority = authorities[server.of_set]
        issuer = dataclasses.replace(first, names=tuple(server.names), server_key=key)
        trusted = material.trusted.get(server.of_set, b"")
        _write_set(
            material.folder / "1" / _node_folder(node),
            authority,
            *issuer.issue(authority, Validity.around(now)),
            trusted,
        )
        made[_node_folder(node)] = authority, issuer
    return made


def _write_own_set(
    material: Material, name: str, names: SetNames, now: datetime
) -> tuple[Authority, _Issuer]:
    """Make a set with an authority of its own, and give what issues more of it."""
    folder = material.folder / "1" / name
    root_key, server_key, client_key = generate_keys([material.key_type] * SET_KEYS)
    authority = Authority.create(f"egress-bench {name} CA", key=root_key, validity=Validity.around(now))
    issuer = _Issuer(tuple(names.server), names.client, None, server_key, client_key)
    pair = issuer.issue(authority, Validity.around(now))
    _write_set(folder, authority, *pair, material.trusted.get(name, b""))
    return authority, issuer


def _write_workloads(folder: Path, workloads: Workloads | None, now: datetime) -> None:
    if workloads is None:
        return
    write(folder / CA_FILE, workloads.authority.certificate_pem, 0o644)
    for proxy, issued in workloads.issue(now).items():
        write(folder / certificate_file(proxy), issued.certificate_pem, 0o644)
        write(folder / key_file(proxy), issued.key_pem, 0o600)
