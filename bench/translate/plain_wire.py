"""Resources in protobuf's JSON form as bytes: what is served on the wire is what is in the files.

The opposite of ``messages.to_plain``: names of the ``.proto`` files, durations as ``10s``, enums by name,
packed messages with their ``@type``.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from base64 import b64decode
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias, Union, get_args, get_origin, get_type_hints

import betterproto2
from envoy_data_plane.google import protobuf
from envoy_data_plane.message_pool import default_message_pool

from bench.translate.wire import field, scalar_writer, to_wire

_Write: TypeAlias = Callable[[Any], bytes]
"""Gives a whole field, tags included; of several values each."""

_INTEGERS = frozenset({"int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64"})

_plans: dict[type, dict[str, _Write]] = {}


def wire_of_plain(resource: dict[str, Any]) -> bytes:
    """Give the bytes of an ``Any`` that holds *resource*, which says its ``@type``.

    Raises:
        ValueError: a type or a field that does not exist, or a value that its field cannot hold.
    """
    return _any(resource)


def _any(value: dict[str, Any]) -> bytes:
    url = value.get("@type")
    cls = default_message_pool.url_to_type.get(url) if isinstance(url, str) else None
    if cls is None:
        raise ValueError(f"no message type {url!r} is known")
    is_own = cls in _OWN_FORMS or cls in _WRAPPERS
    content = (
        value.get("value") if is_own else {name: each for name, each in value.items() if name != "@type"}
    )
    inner = _writer_of(cls)(content)
    return field(1, str(url).encode()) + (field(2, inner) if inner else b"")


def _message(cls: type, value: dict[str, Any]) -> bytes:
    plan = _plans.get(cls)
    if plan is None:
        plan = _plans[cls] = _make_plan(cls)
    parts = []
    for name, each in value.items():
        try:
            write = plan[name]
        except KeyError:
            raise ValueError(f"{cls.__name__} has no field {name!r}") from None
        parts.append(write(each))
    return b"".join(parts)


def _make_plan(cls: type) -> dict[str, _Write]:
    hints = get_type_hints(cls, vars(sys.modules[cls.__module__]), {})
    plan: dict[str, _Write] = {}
    for each in dataclasses.fields(cls):
        meta = betterproto2.FieldMetadata.get(each)
        plan[each.name.rstrip("_")] = _field_writer(meta, hints[each.name])
    return plan


def _field_writer(meta: betterproto2.FieldMetadata, hint: Any) -> _Write:
    number = meta.number
    if meta.map_meta is not None:
        key_type, value_type = get_args(hint)
        of_key = _single(dataclasses.replace(meta.map_meta[0], number=1), key_type)
        of_value = _single(dataclasses.replace(meta.map_meta[1], number=2), value_type)
        return lambda values: b"".join([field(number, of_key(k) + of_value(v)) for k, v in values.items()])
    single = _single(meta, _inner(hint))
    # Unpacked numbers in a list are as good: every reader of protobuf must take both.
    return (lambda values: b"".join([single(value) for value in values])) if meta.repeated else single


def _inner(hint: Any) -> Any:
    """The type within ``X | None`` or ``list[X]``."""
    if get_origin(hint) in (Union, types.UnionType):
        return next(each for each in get_args(hint) if each is not type(None))
    return get_args(hint)[0] if get_origin(hint) is list else hint


def _single(meta: betterproto2.FieldMetadata, hint: Any) -> _Write:
    number, kind = meta.number, meta.proto_type
    if kind == betterproto2.TYPE_MESSAGE:
        content = _writer_of(meta.unwrap() if meta.unwrap is not None else hint)
        return lambda value: field(number, content(value))
    write = scalar_writer(number, kind)
    read = _reader(kind, hint)
    return lambda value: write(read(value))


def _reader(kind: str, hint: Any) -> Callable[[Any], Any]:
    if kind == betterproto2.TYPE_ENUM:
        return lambda value: _enum(hint, value)
    if kind in _INTEGERS:
        return int
    if kind == betterproto2.TYPE_BYTES:
        return b64decode
    if kind in {betterproto2.TYPE_FLOAT, betterproto2.TYPE_DOUBLE}:
        return float
    return lambda value: value


def _enum(cls: type[betterproto2.Enum], value: str | int) -> int:
    if isinstance(value, int):
        return value
    renamed = cls.betterproto_renamed_proto_names_to_value().get(value)
    try:
        return renamed if renamed is not None else cls[value].value
    except KeyError:
        raise ValueError(f"{cls.__name__} has no value {value!r}") from None


def _writer_of(cls: type) -> _Write:
    """What writes a message of *cls* from its JSON form, without tag and length."""
    own = _OWN_FORMS.get(cls)
    if own is not None:
        return own
    kind = _WRAPPERS.get(cls)
    if kind is not None:
        write, read = scalar_writer(1, kind), _reader(kind, None)
        return lambda value: write(read(value)) if read(value) else b""
    return lambda value: _message(cls, value)


def _duration(value: str) -> bytes:
    whole, _, rest = value.removesuffix("s").partition(".")
    sign = -1 if whole.startswith("-") else 1
    seconds, nanos = abs(int(whole)), int(rest.ljust(9, "0")[:9] or 0) if rest else 0
    span: Any = protobuf.Duration(seconds=sign * seconds, nanos=sign * nanos)
    return to_wire(span)


def _timestamp(value: str) -> bytes:
    moment: Any = protobuf.Timestamp.from_wrapped(datetime.fromisoformat(value))
    return to_wire(moment)


def _struct(value: dict[str, Any]) -> bytes:
    return b"".join(
        [field(1, field(1, key.encode()) + field(2, _value(each))) for key, each in value.items()]
    )


def _list_value(values: list[Any]) -> bytes:
    return b"".join([field(1, _value(each)) for each in values])


def _value(value: Any) -> bytes:
    match value:
        case None:
            return b"\x08\x00"
        case bool():
            return b"\x20\x01" if value else b"\x20\x00"
        case int() | float():
            return scalar_writer(2, betterproto2.TYPE_DOUBLE)(float(value))
        case str():
            return field(3, value.encode())
        case dict():
            return field(5, _struct(value))
        case list():
            return field(6, _list_value(value))
    raise ValueError(f"{value!r} has no place in JSON")


_OWN_FORMS: dict[type, _Write] = {
    protobuf.Any: _any,
    protobuf.Duration: _duration,
    protobuf.Timestamp: _timestamp,
    protobuf.Struct: _struct,
    protobuf.ListValue: _list_value,
    protobuf.Value: _value,
}
_WRAPPERS: dict[type, str] = {
    protobuf.BoolValue: "bool",
    protobuf.BytesValue: "bytes",
    protobuf.DoubleValue: "double",
    protobuf.FloatValue: "float",
    protobuf.Int32Value: "int32",
    protobuf.Int64Value: "int64",
    protobuf.StringValue: "string",
    protobuf.UInt32Value: "uint32",
    protobuf.UInt64Value: "uint64",
}
