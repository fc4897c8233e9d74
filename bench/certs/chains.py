"""A client whose certificate lies below further authorities, and a server certificate that soon expires."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.certs.authority import CLOCK_SKEW, Authority, Issued, Validity
from bench.certs.files import write_files
from bench.certs.material import Material


def write_deep_client(folder: Path, names: Sequence[str], *, intermediates: int) -> None:
    """Write certificates over those of *folder*: the client's lies below further authorities.

    ``client.crt`` holds the client's certificate and those *intermediates* between it and the root.

    Raises:
        StackError: a file cannot be written.
    """
    root = Authority.create("egress-bench deep CA", path_length=None)
    issuer, between = root, list[Issued]()
    for number in range(intermediates):
        issuer = issuer.issue_authority(f"egress-bench intermediate {number + 1}")
        between.insert(0, issuer.issued)
    client = issuer.issue_client("deep-client")
    chain = b"".join(each.certificate_pem for each in (client, *between))
    server = root.issue_server(names)
    write_files(
        folder,
        {
            "ca.crt": root.certificate_pem,
            "server.crt": server.certificate_pem,
            "server.key": server.key_pem,
            "client.crt": chain,
            "client.key": client.key_pem,
        },
    )


def write_short_lived_server(material: Material, folder: Path, *, lasts_s: float) -> None:
    """Write a server certificate into *folder* by the same authority, good for so long from now.

    Raises:
        StackError: a file cannot be written.
    """
    now = datetime.now(UTC)
    validity = Validity(now - CLOCK_SKEW, now + timedelta(seconds=lasts_s))
    server = material.authority.issue_server(material.names, key=material.server.key, validity=validity)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_files(folder, {"server.crt": server.certificate_pem, "server.key": server.key_pem})
