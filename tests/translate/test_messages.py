"""What pydantic would have checked in every message, for the recorded cases; and the bytes on the wire."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import betterproto2
import pytest
import yaml
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, OutlierDetection
from envoy_data_plane.envoy.config.core.v3 import (
    DataSource,
    HeaderValueOption,
    Metadata,
    RuntimeDouble,
    SocketAddress,
)
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment, LbEndpoint, LocalityLbEndpoints
from envoy_data_plane.envoy.config.route.v3 import RetryPolicy, RouteMatch, VirtualHost
from envoy_data_plane.envoy.type.v3 import Int64Range
from envoy_data_plane.google.protobuf import Any as ProtobufAny
from envoy_data_plane.google.protobuf import ListValue, Struct, Value

from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import build_registry
from bench.translate import translate
from bench.translate.messages import Packed, to_plain, type_url
from bench.translate.plain_wire import wire_of_plain
from bench.translate.wire import to_wire

GOLDEN = Path(__file__).parent.parent / "golden" / "translate"
RANGES = {"uint32": (0, 2**32 - 1), "int32": (-(2**31), 2**31 - 1), "uint64": (0, 2**64 - 1)}


def _resources(case: Path) -> Iterator[betterproto2.Message]:
    inventory = Inventory.model_validate(yaml.safe_load((case / "inventory.yaml").read_text()))
    registry = build_registry(load_text((case / "input.yaml").read_text(), "input.yaml"), inventory)
    for proxy in inventory.proxies:
        config = translate(registry, proxy, config_source="eds")
        yield from (*config.listeners, *config.routes, *config.clusters, *config.endpoints, *config.secrets)


def _inside(message: betterproto2.Message) -> Iterator[betterproto2.Message]:
    """Give *message* and every message in it, the packed ones, too."""
    yield message
    if isinstance(message, Packed):
        yield from _inside(message.message)
        return
    for field in dataclasses.fields(message):
        value = getattr(message, field.name)
        held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        for each in held:
            if isinstance(each, betterproto2.Message):
                yield from _inside(each)


def _faults(message: betterproto2.Message) -> Iterator[str]:
    """Say what the ``.proto`` file forbids."""
    chosen: dict[str, str] = {}
    for field in dataclasses.fields(message):
        meta, value = betterproto2.FieldMetadata.get(field), getattr(message, field.name)
        where = f"{type(message).__name__}.{field.name}"
        if meta.group and value is not None:
            if meta.group in chosen:
                yield f"{where} beside {chosen[meta.group]}"
            chosen[meta.group] = field.name
        if meta.repeated != isinstance(value, list):
            yield f"{where} is {value!r}"
        for each in value if isinstance(value, list) else [value]:
            yield from _value_faults(where, meta, each)


def _value_faults(where: str, meta: betterproto2.FieldMetadata, value: Any) -> Iterator[str]:
    if value is None or meta.proto_type in {"message", "map"}:
        return
    kind = {"string": str, "bytes": bytes, "bool": bool, "float": (int, float), "double": (int, float)}.get(
        meta.proto_type, int
    )
    low, high = RANGES.get(meta.proto_type, (None, None))
    if not isinstance(value, kind) or (low is not None and not low <= value <= high):
        yield f"{where} is {value!r}, and is to be a {meta.proto_type}"


@pytest.mark.parametrize("case", sorted(GOLDEN.iterdir()), ids=lambda case: case.name)
def test_every_message_keeps_the_rules_of_its_proto_file(case):
    """One of each ``oneof``, values of their types and in their ranges, no deprecated field."""
    for resource in _resources(case):
        for message in _inside(resource):
            assert list(_faults(message)) == []
            with warnings.catch_warnings():
                warnings.simplefilter("error", DeprecationWarning)
                getattr(type(message), "deprecation_check", lambda _: None)(message)


@pytest.mark.parametrize("case", sorted(GOLDEN.iterdir()), ids=lambda case: case.name)
def test_the_bytes_of_every_resource_read_back_as_it_was(case):
    """By the library's own parser, which knows nothing about our writer."""
    for resource in _resources(case):
        assert type(resource).parse(to_wire(resource)).to_dict() == resource.to_dict()


@pytest.mark.parametrize(
    "message",
    [
        ClusterLoadAssignment(
            cluster_name="a", endpoints=[LocalityLbEndpoints(lb_endpoints=[LbEndpoint()])], named_endpoints={}
        ),
        Cluster(name="ä", connect_timeout=timedelta(seconds=-1, microseconds=-5)),
        OutlierDetection(consecutive_5xx=0, interval=timedelta(microseconds=1)),
        RetryPolicy(num_retries=300, retriable_status_codes=[503, 0, 70000]),
        RouteMatch(prefix="", case_sensitive=False),
        RouteMatch(path="/x", case_sensitive=True),
        Int64Range(start=-5, end=2**62),
        RuntimeDouble(default_value=-0.25, runtime_key="k"),
        SocketAddress(address="::1", port_value=65535, ipv4_compat=True),
        DataSource(inline_bytes=b""),
        HeaderValueOption(keep_empty_value=True),
        VirtualHost(name="v", domains=["*", ""]),
        Metadata(
            filter_metadata={
                "istio": Struct(
                    fields={
                        "n": Value(number_value=1.5),
                        "s": Value(string_value=""),
                        "l": Value(list_value=ListValue(values=[Value(bool_value=False)])),
                    }
                )
            }
        ),
    ],
    ids=lambda message: type(message).__name__,
)
def test_hard_values_read_back_as_they_were(message):
    """Empty messages in lists, chosen alternatives that are empty, negative numbers, wrapped zeros."""
    assert type(message).parse(to_wire(message)) == message


@pytest.mark.parametrize("case", sorted(GOLDEN.iterdir()), ids=lambda case: case.name)
def test_what_is_in_the_files_gives_the_same_bytes(case):
    """A control plane serves files: their JSON form says all that the messages say."""
    for resource in _resources(case):
        packed = ProtobufAny.parse(wire_of_plain({"@type": type_url(resource), **to_plain(resource)}))
        assert packed.type_url == type_url(resource)
        assert type(resource).parse(packed.value).to_dict() == resource.to_dict()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"@type": "type.googleapis.com/nobody.knows.This"}, "no message type"),
        ({"name": "a"}, "no message type"),
        ({"@type": type_url(Cluster()), "nam": "a"}, "no field 'nam'"),
        ({"@type": type_url(Cluster()), "type": "SOMETIMES"}, "no value 'SOMETIMES'"),
    ],
)
def test_what_is_not_a_message_is_refused(value, said):
    with pytest.raises(ValueError, match=said):
        wire_of_plain(value)


def test_bytes_are_those_of_the_encoding_that_protobuf_describes():
    """The examples of protobuf.dev, in fields of our own messages."""
    assert to_wire(SocketAddress(port_value=150)) == b"\x18\x96\x01"
    assert to_wire(Cluster(name="testing")) == b"\x0a\x07testing"
    assert to_wire(Int64Range(start=-2)) == b"\x08\xfe" + b"\xff" * 8 + b"\x01"
    assert to_wire(RetryPolicy(retriable_status_codes=[3, 270, 86942])) == bytes.fromhex("3a06038e029ea705")


def test_a_class_is_finished_when_it_is_first_used():
    """Most classes never are: that is what makes the import cheap."""
    program = (
        "import bench.translate, betterproto2\n"
        "from envoy_data_plane.envoy.config.cluster.v3 import ClusterRefreshRate as First, Filter as Second\n"
        "unfinished = lambda c: '_Unfinished' in type(c.__dict__['__dataclass_fields__']).__name__\n"
        "assert unfinished(First) and unfinished(Second)\n"
        "assert First().max_interval is None and not unfinished(First) and unfinished(Second)\n"
        "try: Second(nam='a')\n"
        "except TypeError: pass\n"
        "else: raise SystemExit('a field that does not exist was taken')\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)
