"""Envoy's typed messages: packing one into another, and turning them into plain data.

``to_plain`` gives what ``Message.to_dict(casing=SNAKE)`` of betterproto2 gives, about a hundred times
faster: that one validates each message again and unpacks each ``Any`` from its bytes. It also keeps the
names of the ``.proto`` files as they are, where that one writes ``consecutive_5_xx`` for
``consecutive_5xx``.
"""

from __future__ import annotations

import dataclasses
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar

import betterproto2
from envoy_data_plane.google import protobuf
from envoy_data_plane.message_pool import default_message_pool

from bench.translate.wire import to_wire

Plain: TypeAlias = "dict[str, Any]"
"""A message in protobuf's JSON form, with the field names of the ``.proto`` files."""

MessageT = TypeVar("MessageT", bound=betterproto2.Message)
_INT64 = frozenset({"int64", "uint64", "sint64", "fixed64", "sfixed64"})
_FLOATS = frozenset({"float", "double"})
_PLAIN_SCALARS = frozenset(
    {"bool", "string", "int32", "uint32", "sint32", "fixed32", "sfixed32"},
)
_OWN_JSON = frozenset(
    {protobuf.Duration, protobuf.Timestamp, protobuf.Struct, protobuf.Value, protobuf.ListValue}
)


class Packed(protobuf.Any):
    """An ``Any`` that remembers the message inside, so that writing it needs no unpacking."""

    message: betterproto2.Message
    _unknown_fields = b""

    @property
    def value(self) -> bytes:  # type: ignore[override]
        """The bytes of the message inside."""
        return to_wire(self.message)

    @classmethod
    def _type_hints(cls) -> dict[str, type]:
        # betterproto2 would look up the annotations of Any in this module.
        return protobuf.Any._type_hints()  # noqa: SLF001


def pack(message: betterproto2.Message) -> protobuf.Any:
    """Put *message* into an ``Any``; its bytes are made when they are asked for."""
    packed = object.__new__(Packed)
    packed.type_url = default_message_pool.type_to_url[type(message)]
    packed.message = message
    return packed


def unpack(packed: protobuf.Any | None) -> betterproto2.Message | None:
    """Give the message inside an ``Any``."""
    if packed is None:
        return None
    return packed.message if isinstance(packed, Packed) else packed.unpack()


def variant(template: MessageT, **changes: object) -> MessageT:
    """Copy *template* with other values in some fields.

    Construction validates every field of a message and looks for deprecated ones, which costs more than all
    else where thousands of messages differ in a few fields. Only *changes* go unchecked here.
    """
    copy = object.__new__(type(template))
    copy.__dict__.update(template.__dict__)
    copy.__dict__.update(changes)
    return copy


def type_url(message: betterproto2.Message) -> str:
    """Give the ``@type`` under which *message* travels."""
    return default_message_pool.type_to_url[type(message)]


def type_url_of(cls: type[betterproto2.Message]) -> str:
    """Give the ``@type`` under which messages of a class travel."""
    return default_message_pool.type_to_url[cls]


def duration_text(duration: timedelta) -> str:
    """Write a duration as protobuf's JSON form does: ``10s``, ``0.250s``, ``0.000001s``."""
    microseconds = duration // timedelta(microseconds=1)
    sign = "-" if microseconds < 0 else ""
    whole, rest = divmod(abs(microseconds), 1_000_000)
    if not rest:
        return f"{sign}{whole}s"
    return f"{sign}{whole}.{rest // 1000:03d}s" if rest % 1000 == 0 else f"{sign}{whole}.{rest:06d}s"


_Writer = Callable[[Any], Any]
_Plan = list[tuple[str, str, Any, _Writer | None]]
"""For each field: attribute, name on the wire, default that is left out, writer (None: as it is)."""

_plans: dict[type, _Plan] = {}


def to_plain(message: betterproto2.Message) -> Plain:
    """Turn *message* into plain data, field by field in the order of the ``.proto`` file."""
    cls = type(message)
    plan = _plans.get(cls)
    if plan is None:
        plan = _plans[cls] = _make_plan(cls)
    values = message.__dict__
    output: Plain = {}
    for attribute, name, default, writer in plan:
        value = values[attribute]
        if value is not None and value != default:
            output[name] = value if writer is None else writer(value)
    return output


def _make_plan(cls: type[betterproto2.Message]) -> _Plan:
    plan: _Plan = []
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        attribute, meta = field.name, betterproto2.FieldMetadata.get(field)
        name = attribute.rstrip("_")
        if meta.repeated:
            writer = _writer(meta.proto_type, meta.unwrap)
            plan.append((attribute, name, [], _each(writer)))
        elif meta.map_meta is not None:
            value_meta = meta.map_meta[1]
            plan.append((attribute, name, {}, _each_value(_writer(value_meta.proto_type, value_meta.unwrap))))
        else:
            default = None if meta.optional or meta.group else _default(meta.proto_type)
            plan.append((attribute, name, default, _writer(meta.proto_type, meta.unwrap)))
    return plan


def _default(proto_type: str) -> Any:
    if proto_type == "message":
        return None
    return {"string": "", "bytes": b"", "bool": False}.get(proto_type, 0)


def _writer(proto_type: str, unwrap: Callable[[], type] | None) -> _Writer | None:
    if proto_type == "message":
        return _wrapped(unwrap()) if unwrap else _message
    if proto_type in _PLAIN_SCALARS:
        return None
    if proto_type == "enum":
        return _enum
    if proto_type in _INT64:
        return str
    if proto_type == "bytes":
        return _bytes
    if proto_type in _FLOATS:
        return _float
    raise TypeError(f"no JSON form for protobuf type {proto_type}")


def _message(value: betterproto2.Message) -> Any:
    if isinstance(value, Packed):
        inner = value.message
        content = to_plain(inner)
        return {"@type": value.type_url, **({"value": content} if type(inner) in _OWN_JSON else content)}
    if isinstance(value, protobuf.Any) or type(value) in _OWN_JSON:
        return value.to_dict(casing=betterproto2.Casing.SNAKE)
    return to_plain(value)


def _wrapped(wrapper: type) -> _Writer | None:
    if wrapper is protobuf.Duration:
        return duration_text
    if wrapper in {protobuf.UInt64Value, protobuf.Int64Value}:
        return lambda value: value  # betterproto2 writes a wrapped 64-bit integer as a number
    if wrapper is protobuf.BytesValue:
        return _bytes
    if wrapper in {protobuf.FloatValue, protobuf.DoubleValue}:
        return _float
    if wrapper is protobuf.Timestamp:
        return lambda value: protobuf.Timestamp.from_wrapped(value).to_dict()
    return None


def _enum(value: betterproto2.Enum) -> str | int:
    return value.proto_name or value.name or value.value


def _bytes(value: bytes) -> str:
    return b64encode(value).decode()


def _float(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _each(writer: _Writer | None) -> _Writer | None:
    if writer is None:
        return list
    return lambda values: [writer(value) for value in values]


def _each_value(writer: _Writer | None) -> _Writer | None:
    if writer is None:
        return dict

    def write(values: Mapping[Any, Any]) -> dict[Any, Any]:
        return {key: writer(value) for key, value in values.items()}

    return write
