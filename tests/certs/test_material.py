"""What lies on disk is private, complete, and accepted or refused exactly as intended."""

import contextlib
import os
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from bench.certs.keys import KeysAhead, private_key_pem
from bench.certs.material import WRONG, ServerNames, SetNames, rotate, write_material
from bench.errors import InputError, StackError

HOST = "nginx.external.svc.cluster.local"
NAMES = ("192.168.0.63", "192.168.0.64", HOST, "127.0.0.1")


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return write_material(
        tmp_path_factory.mktemp("material") / "certs",
        names=NAMES,
        key_type="ecdsa-p256",
        client_uri="spiffe://cluster.local/ns/istio-system/sa/egress",
    )


def handshake(server: Path, client: Path | None, *, trust_server: Path, trust_client: Path, host: str = HOST):
    """Shake hands in memory, both sides verifying strictly; raises what OpenSSL raises."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.load_verify_locations(trust_client / "ca.crt")
    server_context.load_cert_chain(server / "server.crt", server / "server.key")
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.load_verify_locations(trust_server / "ca.crt")
    for context in (server_context, client_context):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    if client is not None:
        client_context.load_cert_chain(client / "client.crt", client / "client.key")

    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client_context.wrap_bio(down, up, server_hostname=host)
    far = server_context.wrap_bio(up, down, server_side=True)
    pending = {near, far}
    for _ in range(10):
        for side in (near, far):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
                pending.discard(side)
    assert not pending
    return far.getpeercert()


@pytest.mark.parametrize("key_type", ["ecdsa-p256", "rsa-2048"])
def test_both_sides_accept_the_right_certificates_under_strict_verification(tmp_path, key_type):
    live = write_material(tmp_path / "m", names=NAMES, key_type=key_type, wrong=False).live

    for host in NAMES:
        peer = handshake(live, live, trust_server=live, trust_client=live, host=host)

    assert (("commonName", "egressgateway"),) in peer["subject"]


def test_the_client_certificate_carries_its_spiffe_identity(material):
    peer = handshake(material.live, material.live, trust_server=material.live, trust_client=material.live)

    assert peer["subjectAltName"] == (("URI", "spiffe://cluster.local/ns/istio-system/sa/egress"),)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("other-ca", "unable to get local issuer"),
        ("expired", "has expired"),
        ("not-yet-valid", "not yet valid"),
        ("wrong-san", "Hostname mismatch"),
    ],
)
def test_a_client_refuses_each_wrong_server_certificate_for_its_own_reason(material, kind, reason):
    live = material.live

    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        handshake(material.wrong(kind), live, trust_server=live, trust_client=live)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("other-ca", "unable to get local issuer"),
        ("expired", "has expired"),
        ("not-yet-valid", "not yet valid"),
    ],
)
def test_a_server_refuses_each_wrong_client_certificate_for_its_own_reason(material, kind, reason):
    live = material.live

    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        handshake(live, material.wrong(kind), trust_server=live, trust_client=live)


def test_a_client_certificate_does_not_serve_and_a_missing_one_is_refused(material, tmp_path):
    live = material.live
    (tmp_path / "server.crt").write_bytes((live / "client.crt").read_bytes())
    (tmp_path / "server.key").write_bytes((live / "client.key").read_bytes())

    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        handshake(tmp_path, live, trust_server=live, trust_client=live)
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        handshake(live, None, trust_server=live, trust_client=live)


def test_keys_are_private_and_the_authority_has_none_on_disk(tmp_path):
    before = os.umask(0)
    try:
        material = write_material(tmp_path / "m", names=NAMES, key_type="ecdsa-p256")
    finally:
        os.umask(before)

    folders = [material.folder, *(path for path in material.folder.rglob("*") if path.is_dir())]
    keys = list(material.folder.rglob("*.key"))
    assert {0o700} == {stat.S_IMODE(path.stat().st_mode) for path in folders}
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in keys}
    assert {"server.key", "client.key"} == {path.name for path in keys}
    assert {"ca.crt", "server.crt", "client.crt", "server.key", "client.key"} == {
        path.name for path in material.live.iterdir()
    }
    for kind in WRONG:
        assert (material.wrong(kind) / "client.crt").exists()
    assert all(b"PRIVATE" not in path.read_bytes() for path in material.public_files())


def test_the_wrong_certificates_of_a_set_are_its_own_and_wrong_in_one_point_alone(tmp_path):
    """By its authority, with its names: else a gateway would refuse them for another reason."""
    sets = {"partner": SetNames(("partner.example",), "their-client")}
    material = write_material(tmp_path / "m", names=["a.example"], key_type="ecdsa-p256", sets=sets)
    authority = x509.load_pem_x509_certificate((material.of_set("partner") / "ca.crt").read_bytes())

    def names(folder):
        leaf = x509.load_pem_x509_certificate((folder / "server.crt").read_bytes())
        alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return leaf, alternative.get_values_for_type(x509.DNSName)

    for kind in ("expired", "not-yet-valid"):
        leaf, certified = names(material.wrong(kind, "partner"))
        leaf.verify_directly_issued_by(authority)
        assert certified == ["partner.example"]
    leaf, certified = names(material.wrong("wrong-san", "partner"))
    leaf.verify_directly_issued_by(authority)
    assert certified == ["wrong.invalid"]
    with pytest.raises((ValueError, InvalidSignature)):
        names(material.wrong("other-ca", "partner"))[0].verify_directly_issued_by(authority)


def test_rotation_is_one_rename_and_old_and_new_trust_each_other(tmp_path):
    old = write_material(tmp_path / "m", names=NAMES, key_type="ecdsa-p256", wrong=False)
    inode = (old.live / "server.crt").stat().st_ino

    new = rotate(old)

    assert Path("2") == new.live.readlink()
    assert inode != (new.live / "server.crt").stat().st_ino
    assert old.server.serial != new.server.serial
    assert {"1", "2", "live"} == {path.name for path in new.folder.iterdir()}
    handshake(new.folder / "1", new.folder / "2", trust_server=new.live, trust_client=new.folder / "1")


def test_serial_is_written_in_whole_bytes_of_upper_case_hex(material):
    serial = material.client.serial

    assert len(serial) % 2 == 0
    assert int(serial, 16) == material.client.certificate.serial_number
    assert serial == serial.upper()
    assert material.client.subject == "CN=egressgateway,O=egress-bench"


@pytest.mark.parametrize("names", [[], [""], ["naïve.example"]])
def test_an_impossible_name_is_an_input_error(tmp_path, names):
    with pytest.raises(InputError):
        write_material(tmp_path / "m", names=names, key_type="ecdsa-p256")


def test_a_folder_in_use_or_not_writable_is_refused(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StackError, match="not empty"):
        write_material(tmp_path, names=NAMES, key_type="ecdsa-p256")
    with pytest.raises(StackError, match="cannot keep certificates"):
        write_material(tmp_path / "file" / "m", names=NAMES, key_type="ecdsa-p256")


def test_keys_are_as_long_as_asked_for(tmp_path):
    material = write_material(tmp_path / "m", names=NAMES, key_type="rsa-4096")

    assert material.server.certificate.public_key().key_size == 4096
    assert material.authority.certificate.public_key().key_size == 4096


def test_keys_made_ahead_are_taken_once_and_other_ones_are_made_again(tmp_path):
    ahead = KeysAhead(["ecdsa-p256"] * 3)

    first = write_material(tmp_path / "m", names=NAMES, key_type="ecdsa-p256", make_keys=ahead.take)

    again = ahead.take(["ecdsa-p256"] * 3)
    (other,) = KeysAhead(["ecdsa-p256"]).take(["rsa-2048"])
    pems = {private_key_pem(key) for key in again} | {first.server.key_pem, first.client.key_pem}
    assert len(pems) == 5
    assert other.key_size == 2048


def test_a_node_with_names_of_its_own_has_only_them_by_the_authority_of_its_set(tmp_path):
    material = write_material(
        tmp_path / "m",
        names=NAMES,
        key_type="ecdsa-p256",
        sets={"partner": SetNames([HOST], "client")},
        nodes={"one": ServerNames(["one.example"]), "two": ServerNames(["two.example"], "partner")},
    )
    first, second = material.of_node("one", None), material.of_node("two", "partner")

    assert material.of_node("three", "partner") == material.of_set("partner")
    handshake(first, first, trust_server=material.live, trust_client=material.live, host="one.example")
    own = material.of_set("partner")
    handshake(second, own, trust_server=own, trust_client=own, host="two.example")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(first, first, trust_server=material.live, trust_client=material.live, host="two.example")
    expired = material.wrong("expired", "partner", node="two")
    with pytest.raises(ssl.SSLCertVerificationError, match="has expired"):
        handshake(expired, own, trust_server=own, trust_client=own, host="two.example")
    again = rotate(material)
    assert (again.of_node("one", None) / "server.crt").read_bytes() == (
        material.folder / "1" / "node-one" / "server.crt"
    ).read_bytes()
