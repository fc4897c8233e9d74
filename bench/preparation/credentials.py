"""What a scenario's credentials hold: own files that are given, and what is made for clients and gateways."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench.certs import Material, ServerNames
from bench.errors import InputError
from bench.preparation.own_files import read_certificates
from bench.preparation.served import served_names
from bench.scenario import Credential, Scenario
from bench.scenario.folder import credential_files
from bench.scenario.load import LoadedScenario


def credential_paths(loaded: LoadedScenario, material: Material) -> dict[str, Path]:
    """The files of every credential, by the names that ``credential_files`` gives them: given or made."""
    found: dict[str, Path] = {}
    for name, credential in loaded.scenario.tls.credentials.items():
        own, names = material.of_set(credential.set), credential_files(name)
        key = _file_key(name)
        if credential.cert is not None and credential.key is not None:
            certificate, private_key = loaded.folder / credential.cert, loaded.folder / credential.key
        elif key in material.servers:
            certificate, private_key = material.server_files(key)
        else:
            certificate, private_key = own / "client.crt", own / "client.key"
        # A ``ca`` that is given is part of it: the nodes' certificates are of the set's authority.
        found |= {names.certificate: certificate, names.private_key: private_key, names.ca: own / "ca.crt"}
    return found


def servers_of(loaded: LoadedScenario) -> dict[str, ServerNames]:
    """What is to be made for Gateways that name a credential without files, by a name fit for files."""
    scenario = loaded.scenario
    served = served_names(loaded.registry())
    found = {}
    for name, credential in scenario.tls.credentials.items():
        if name in served and credential.cert is None:
            found[_file_key(name)] = ServerNames(
                _made_names(scenario, credential, served[name]), credential.set
            )
    return found


def server_names(scenario: Scenario, folder: Path, name: str, hosts: Sequence[str]) -> tuple[str, ...] | None:
    """The names in the certificate of a Gateway that serves *hosts* with the credential *name*.

    None where its file cannot be read, or it is not known to the scenario.
    """
    credential = scenario.tls.credentials.get(name)
    if credential is None:
        return None
    if credential.cert is None:
        return tuple(_made_names(scenario, credential, hosts))
    try:
        certificate = read_certificates(folder / credential.cert)[0]
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, IndexError, x509.ExtensionNotFound):
        return None
    return tuple(str(each.value) for each in names)


def _made_names(scenario: Scenario, credential: Credential, hosts: Iterable[str]) -> list[str]:
    if credential.server_names:
        return [name.partition(":")[2] for name in credential.server_names]
    asked = scenario.traffic.host.partition(":")[0]
    return list(dict.fromkeys(asked if host == "*" else host for host in hosts))


def trusted_authorities(loaded: LoadedScenario) -> dict[str | None, bytes]:
    """Set -> the authorities that own files bring, in PEM: they are trusted as the set's own is.

    Raises:
        InputError: a file cannot be read.
    """
    found: dict[str | None, bytes] = {}
    for credential in loaded.scenario.tls.credentials.values():
        for given in dict.fromkeys((credential.ca, credential.issuer)):
            if given is not None:
                found[credential.set] = found.get(credential.set, b"") + _pem(loaded.folder / given)
    return found


def _pem(file: Path) -> bytes:
    try:
        certificates = read_certificates(file)
    except (OSError, ValueError) as error:
        raise InputError(f"is not a certificate in PEM: {error}.", where=str(file)) from error
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def _file_key(name: str) -> str:
    return quote(name, safe="")
