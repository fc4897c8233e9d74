"""Resources within others, for an Envoy that is fed from its bootstrap alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration

from bench.translate.messages import Plain, to_plain


def routes_inline(listeners: Sequence[Plain], routes: Sequence[RouteConfiguration]) -> None:
    """Put into *listeners* the routes that they name; one that is not there is empty."""
    named = {each.name: to_plain(each) for each in routes}
    for block in blocks(listeners):
        if "rds" in block:
            name = block.pop("rds")["route_config_name"]
            block["route_config"] = named.get(name, {"name": name})


def blocks(value: object) -> Iterator[Plain]:
    """Give every mapping within *value*, the outer ones first."""
    if isinstance(value, dict):
        yield value
        for each in list(value.values()):
            yield from blocks(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from blocks(each)
