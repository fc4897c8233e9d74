"""What TLS a proxy speaks to the next one, in words: which name it sends, which name it checks."""

from __future__ import annotations

from collections.abc import Sequence

from bench.explain.clusters import UpstreamTls
from bench.explain.connections import TlsLayer
from bench.istio.hosts import is_ip


def describe_tls(
    tls: UpstreamTls | None, host: str | None, inside: Sequence[TlsLayer]
) -> tuple[str, tuple[str, ...]]:
    """Put the TLS of a connection into words and notes.

    *host* is the Host of the request that the proxy sends, None where it only passes bytes on; *inside* is
    the TLS that passes through.
    """
    if tls is None:
        if not inside:
            return "plain text", ()
        whose = "the client's own TLS" if not inside[0].by else f"the TLS of {inside[0].by}"
        return f"{whose}, passed through", (_sni(inside[0].sni),)
    sni = tls.sent_sni(host)
    text = f"TLS with SNI {sni}" if sni else "TLS without SNI"
    if inside:
        whose = "the client's own" if not inside[0].by else f"that of {inside[0].by}"
        text = f"TLS within TLS: {whose} inside of {text}"
    return text, tuple(_notes(tls, host, sni))


def _sni(sni: str) -> str:
    return f"its SNI is {sni}" if sni else "it has no SNI"


def _notes(tls: UpstreamTls, host: str | None, sni: str) -> list[str]:
    notes = [f"presents {tls.certificate}" if tls.certificate else "presents no client certificate"]
    if tls.follows_host and not sni:
        if host is None:
            notes.append("no sni is written, and only requests have a Host that it could follow")
        elif is_ip(host.strip("[]")):
            notes.append(f"SNI follows the Host header, and cannot carry the address {host}")
    if not tls.is_verified:
        return [*notes, "accepts any server certificate"]
    notes.append(f"the server's certificate must be signed by a CA of {tls.ca}")
    demanded = tls.demanded_names(host)
    if not demanded:
        return [*notes, "its name is not checked"]
    texts = [" or ".join(names) for names in demanded]
    source = " (the Host header)" if tls.checks_host and host is not None else ""
    return [*notes, f"its name must be {' and also '.join(texts)}{source}"]
