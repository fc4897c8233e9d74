"""Gateway: what a proxy at the edge listens to."""

from typing import Annotated, Literal

from pydantic import Field

from bench.istio.models.fields import Flag, Labels, MayBeAbsent, StrictModel, Text, UInt32

TLSMode = Literal["PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"]
TLSProtocol = Literal["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"]


class Port(StrictModel):
    """The port of a server; ``target_port`` has no meaning here and is refused above zero."""

    number: UInt32
    protocol: Text
    name: Text
    target_port: UInt32 = 0


class TLSCertificate(StrictModel):
    """One server certificate, as files."""

    server_certificate: Text = ""
    private_key: Text = ""
    ca_certificates: Text = ""


class ServerTLSSettings(StrictModel):
    """How a server terminates or passes on TLS. An unset mode is PASSTHROUGH."""

    https_redirect: Flag = False
    mode: TLSMode = "PASSTHROUGH"
    server_certificate: Text = ""
    private_key: Text = ""
    ca_certificates: Text = ""
    ca_crl: Text = ""
    credential_name: Text = ""
    credential_names: Annotated[tuple[Text, ...], Field(min_length=1, max_length=2)] = ()
    ca_cert_credential_name: Text = ""
    tls_certificates: Annotated[tuple[TLSCertificate, ...], Field(min_length=1, max_length=2)] = ()
    subject_alt_names: tuple[Text, ...] = ()
    verify_certificate_spki: tuple[Text, ...] = ()
    verify_certificate_hash: tuple[Text, ...] = ()
    min_protocol_version: TLSProtocol = "TLS_AUTO"
    max_protocol_version: TLSProtocol = "TLS_AUTO"
    cipher_suites: tuple[Text, ...] = ()


class Server(StrictModel):
    """One port with its hosts."""

    port: Port
    hosts: tuple[Text, ...]
    bind: Text = ""
    tls: MayBeAbsent[ServerTLSSettings] = None
    default_endpoint: Text = ""
    name: Text = ""


class Gateway(StrictModel):
    """The ``spec`` of a Gateway."""

    servers: tuple[Server, ...] = ()
    selector: Labels = Field(default_factory=dict)
