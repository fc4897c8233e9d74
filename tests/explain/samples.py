"""Requests that try every route of a configuration, and some that should find none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from envoy_data_plane.envoy.config.route.v3 import HeaderMatcher, RouteConfiguration, RouteMatch
from envoy_data_plane.envoy.extensions.filters.network.tcp_proxy.v3 import TcpProxy
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher

from bench.istio.regex import compile_pattern
from bench.translate import ProxyConfig
from bench.translate.messages import unpack


@dataclass(frozen=True)
class Sample:
    """One request to try."""

    port: int
    host: str
    path: str = "/"
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    tls: bool = False
    tcp: bool = False
    """Bytes that are not HTTP."""
    dialled: str = ""
    """The host of the URL, where the Host header is another."""

    @property
    def scheme(self) -> str:
        """What the client speaks."""
        return "tcp" if self.tcp else "https" if self.tls else "http"


def samples_for(config: ProxyConfig, *, by_rule: bool = False) -> Iterator[Sample]:
    """Give requests for every listener: each route, each virtual host without conditions, unknown hosts.

    With *by_rule* the ports are those that virtual hosts are named after, instead of the listeners' own.
    """
    routes = {each.name: each for each in config.routes}
    for listener in config.listeners:
        socket = listener.address.socket_address if listener.address is not None else None
        if socket is None:
            continue
        port = socket.port_value or 0
        for chain in listener.filter_chains:
            names = list(chain.filter_chain_match.server_names) if chain.filter_chain_match else []
            for each in chain.filters:
                rds = getattr(unpack(each.typed_config), "rds", None)
                if rds is not None and rds.route_config_name in routes:
                    tls = chain.transport_socket is not None
                    yield from _through(routes[rds.route_config_name], port, by_rule=by_rule, tls=tls)
            if by_rule:
                continue
            yield from (Sample(port, _concrete(name), tls=True) for name in names)
            if any(isinstance(unpack(each.typed_config), TcpProxy) for each in chain.filters):
                # What the chain was not made for: other TLS, plain HTTP, bytes.
                yield Sample(port, "other.example", tls=True)
                yield Sample(port, "other.example")
                yield Sample(port, "other.example", tcp=True)


def _concrete(domain: str) -> str:
    return "unknown.example" if domain == "*" else domain.replace("*", "any", 1)


def _through(config: RouteConfiguration, port: int, *, by_rule: bool, tls: bool) -> Iterator[Sample]:
    for virtual_host in config.virtual_hosts:
        named = virtual_host.name.rpartition(":")[2]
        at = int(named) if by_rule and named.isdecimal() else port
        for domain in virtual_host.domains[:2]:
            host = _concrete(domain)
            yield Sample(at, host, tls=tls)
            yield Sample(at, host, path="/zzz/none", headers={"x-nobody": "1"}, tls=tls)
            for route in virtual_host.routes:
                sample = _satisfying(Sample(at, host, tls=tls), route.match or RouteMatch(prefix="/"))
                if sample is not None:
                    yield sample


def _satisfying(sample: Sample, match: RouteMatch) -> Sample | None:
    """Give a request that meets all conditions of a route, ``None`` when none is found."""
    path = match.path or match.prefix or "/"
    if match.safe_regex is not None:
        path = text_matching(match.safe_regex.regex) or ""
        if not path.startswith("/"):
            return None
    values = {header.name: _value(header) for header in match.headers if not header.invert_match}
    query = {
        each.name: "1" if each.string_match is None else _text(each.string_match)
        for each in match.query_parameters
    }
    if None in (*values.values(), *query.values()):
        return None
    target = path + ("?" if query else "") + "&".join(f"{name}={value}" for name, value in query.items())
    headers = {
        name: value for name, value in values.items() if value is not None and not name.startswith(":")
    }
    return replace(
        sample,
        host=values.get(":authority") or sample.host,
        method=values.get(":method") or "GET",
        path=target,
        headers=headers,
    )


def _value(header: HeaderMatcher) -> str | None:
    if header.string_match is None:
        return "x"
    return _text(header.string_match)


def _text(text: StringMatcher) -> str | None:
    if text.exact is not None:
        return text.exact
    if text.prefix is not None:
        return f"{text.prefix}x"
    if text.safe_regex is not None:
        return text_matching(text.safe_regex.regex)
    return "x"


def text_matching(regex: str) -> str | None:
    """Find a text that *regex* matches, by taking out its operators; good enough for what people write."""
    pattern = compile_pattern(regex)
    regex_without_flags = re.sub(r"\(\?[a-zA-Z]+\)|\\[QE]", "", regex)
    plain = re.sub(r"\[([^\]\^])[^\]]*\](\{\d+(,\d*)?\})?", r"\1", regex_without_flags)
    plain = re.sub(r"\\d(\{\d+(,\d*)?\})?", "1", plain).replace(r"\w", "a").replace(r"\.", ".")
    candidates = [plain, re.sub(r"[\^\$\(\)\?\+]|\.\*|\*", "", plain).replace("|", ""), "x", "/", "1", "abc"]
    candidates += [part for part in re.split(r"[|()]", re.sub(r"[\^\$\?\+]|\.\*", "", plain)) if part]
    for candidate in candidates:
        if pattern.takes(candidate):
            return candidate
    return None
