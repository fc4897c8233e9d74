"""Envoy's own ``/config_dump``, or what ``istioctl proxy-config all -o json`` makes of it.

Both are ``envoy.admin.v3.ConfigDump`` in protobuf's JSON form: Envoy writes the field names of the ``.proto``
files, istioctl may write them in camel case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bench.diff.istio_parts import bare_answer, config_of
from bench.diff.normal_form import from_istiod
from bench.errors import InputError, Position

Plain = dict[str, Any]
_TYPE = "@type"
_ADMIN = "type.googleapis.com/envoy.admin."
_CAMEL = re.compile(r"[a-z][a-z0-9]*(?:[A-Z][a-z0-9]*)+")
_HOW = (
    "Write it with `curl 'http://localhost:15000/config_dump?include_eds'` in the proxy's container, or with"
)
_REMEDY = f"{_HOW} `istioctl proxy-config all POD -o json`."
_PACKED = {"gzip": b"\x1f\x8b", "zip": b"PK\x03\x04", "zstd": b"\x28\xb5\x2f\xfd"}
"""Form -> the bytes that it begins with."""


class Gap(StrEnum):
    """What a dump lacks; it is not compared."""

    LISTENERS = "listeners"
    ROUTES = "routes"
    CLUSTERS = "clusters"
    ENDPOINTS = "endpoints"


@dataclass(frozen=True, slots=True)
class Dump:
    """What one real proxy has."""

    has: Plain
    """Its listeners, routes and clusters in the common form, without what istiod adds to every proxy."""
    gaps: frozenset[Gap] = frozenset()
    istio_version: str = ""
    """As the proxy says of itself; empty: it does not."""
    envoy_version: str = ""
    route_origins: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Route configuration and virtual host -> the resource behind each of its routes, as istiod names it."""
    refused: tuple[str, ...] = ()
    """Resources that Envoy got and rejected, with its reason."""
    node: str = ""
    """The id under which the proxy reports to istiod: ``sidecar~10.1.0.5~web-7d9f.shop~…``."""


def read_dump(data: bytes, file: str) -> Dump:
    """Read a dump; *file* is the name that messages use.

    Raises:
        InputError: it is cut off, is something else, or is not of Envoy's API v3.
    """
    text = _text(data, file)
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError as error:
        rest = text[error.pos :].rstrip()
        in_a_word = any(word.startswith(rest) for word in ("true", "false", "null"))
        is_cut = len(rest) <= 1 or in_a_word or "Unterminated" in error.msg
        what = "is cut off" if is_cut and text.lstrip()[:1] in ("{", "[") else "is not JSON"
        raise InputError(
            f"{what if text.strip() else 'is empty'}: {error.msg} at column {error.colno}.",
            where=Position(file, error.lineno),
            remedy=_REMEDY,
        ) from error
    except RecursionError as error:
        raise InputError("is nested too deeply for a dump.", where=file, remedy=_REMEDY) from error
    configs = parsed.get("configs") if isinstance(parsed, dict) else None
    if not isinstance(configs, list) or not all(isinstance(each, dict) for each in configs):
        raise InputError("is not a dump: it has no list `configs` of objects.", where=file, remedy=_REMEDY)
    by_kind = {kind: each for each in configs if (kind := _kind(each, file))}
    if not by_kind.keys() & _COMPARED.values():
        raise InputError(
            "is a dump with neither listeners nor routes nor clusters, so there is nothing to compare.",
            where=file,
            remedy=f"Take the whole dump, without `resource` and `mask`. {_REMEDY}",
        )
    return _read({kind: _snake(each) for kind, each in by_kind.items()}, file)


def _text(data: bytes, file: str) -> str:
    """Decode as JSON is: UTF-8, or what a byte order mark or the zeros between its signs tell."""
    for kind, mark in _PACKED.items():
        if data.startswith(mark):
            raise InputError(f"is packed ({kind}).", where=file, remedy="Unpack it first.")
    encoding = json.detect_encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"is not text, at byte {error.start}: a dump is JSON.", where=file, remedy=_REMEDY
        ) from error


def _kind(config: Mapping[str, Any], file: str) -> str:
    written = str(config.get(_TYPE, ""))
    if not written.startswith(_ADMIN):
        return ""
    version, _, kind = written.removeprefix(_ADMIN).partition(".")
    if version.startswith("v2"):
        raise InputError(
            f"is a dump of Envoy's API {version}, which ended with Envoy 1.17; v3 is read here.",
            where=file,
            remedy="Take the dump of a proxy of Istio 1.9 or younger.",
        )
    if version != "v3":
        raise InputError(
            f"is a dump of Envoy's API {version}, which is not known here; v3 is.",
            where=file,
            remedy="Look for a newer egress-bench.",
        )
    return kind


def _snake(value: Any) -> Any:
    """Give the field names of the ``.proto`` files; keys of maps have dots, or stay."""
    if isinstance(value, dict):
        return {_snake_name(key): _snake(each) for key, each in value.items()}
    return [_snake(each) for each in value] if isinstance(value, list) else value


def _snake_name(key: str) -> str:
    if not _CAMEL.fullmatch(key):
        return _SPECIAL.get(key, key)
    return _SPECIAL.get(key) or re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", key)


_SPECIAL = {
    "consecutive5xx": "consecutive_5xx",
    "enforcingConsecutive5xx": "enforcing_consecutive_5xx",
}
"""Where a digit follows the underscore, camel case forgets it."""


_COMPARED = {
    Gap.LISTENERS: "ListenersConfigDump",
    Gap.ROUTES: "RoutesConfigDump",
    Gap.CLUSTERS: "ClustersConfigDump",
}
_ENDPOINTS = "EndpointsConfigDump"


def _read(parts: Mapping[str, Plain], file: str) -> Dump:
    with _in_the_form_of_envoy("listeners", file):
        listeners = list(_listeners(parts.get(_COMPARED[Gap.LISTENERS], {})))
        has_listeners = from_istiod(bare_answer(listeners=listeners))["listeners"]
    with _in_the_form_of_envoy("routes", file):
        routes = [
            each["route_config"]
            for entries in ("static_route_configs", "dynamic_route_configs")
            for each in parts.get(_COMPARED[Gap.ROUTES], {}).get(entries, ())
        ]
        has_routes = from_istiod(bare_answer(routes=routes))["routes"]
        origins = {
            (config.get("name", ""), host["name"]): tuple(map(config_of, host.get("routes", ())))
            for config in routes
            for host in config.get("virtual_hosts", ())
        }
    with _in_the_form_of_envoy("clusters and endpoints", file):
        clusters = [
            each["cluster"]
            for entries in ("static_clusters", "dynamic_active_clusters", "dynamic_warming_clusters")
            for each in parts.get(_COMPARED[Gap.CLUSTERS], {}).get(entries, ())
        ]
        assignments = [
            each["endpoint_config"]
            for entries in ("static_endpoint_configs", "dynamic_endpoint_configs")
            for each in parts.get(_ENDPOINTS, {}).get(entries, ())
        ]
        has_clusters = from_istiod(bare_answer(clusters=clusters, endpoints=assignments))["clusters"]
    with _in_the_form_of_envoy("the bootstrap", file):
        node = parts.get("BootstrapConfigDump", {}).get("bootstrap", {}).get("node", {})
        version = node.get("user_agent_build_version", {}).get("version", {})
        numbers = [str(version.get(part, 0)) for part in ("major_number", "minor_number", "patch")]
        istio_version = str(node.get("metadata", {}).get("ISTIO_VERSION", ""))
    return Dump(
        {"listeners": has_listeners, "routes": has_routes, "clusters": has_clusters},
        frozenset(gap for gap, kind in {**_COMPARED, Gap.ENDPOINTS: _ENDPOINTS}.items() if kind not in parts),
        istio_version,
        ".".join(numbers) if version else "",
        origins,
        tuple(_refused(parts)),
        str(node.get("id", "")),
    )


@contextmanager
def _in_the_form_of_envoy(what: str, file: str) -> Iterator[None]:
    """Name the part of a dump that cannot be read as what Envoy's API v3 says of it."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"has another form than Envoy's API v3 gives {what}: a field is missing, or of another kind.",
            where=file,
            remedy=_REMEDY,
        ) from error


def _listeners(part: Plain) -> Iterator[Plain]:
    for each in part.get("static_listeners", ()):
        yield each["listener"]
    for each in part.get("dynamic_listeners", ()):
        state = each.get("active_state") or each.get("warming_state")
        if state is not None:
            yield state["listener"]


def _refused(parts: Mapping[str, Plain]) -> Iterator[str]:
    """Give what Envoy rejected: it goes on with what it had before."""
    for part in parts.values():
        for entries in part.values():
            for each in entries if isinstance(entries, list) else ():
                error = each.get("error_state") if isinstance(each, dict) else None
                if isinstance(error, dict):
                    name = str(each.get("name") or error.get("failed_configuration", {}).get("name", ""))
                    yield f"{name}: {error.get('details', 'no reason given')}"
