"""Pydantic models as tables for people: each field with its form, its default and what it means."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

_REF = "#/$defs/"


@dataclass(frozen=True, slots=True)
class Row:
    """One field."""

    name: str
    form: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Part:
    """One model: where it is written, what it is, and its fields."""

    name: str
    meaning: str
    rows: tuple[Row, ...]


def parts_of(root: type[BaseModel]) -> list[Part]:
    """The model and every one below it, in the order in which a reader meets them."""
    schema = root.model_json_schema(by_alias=True, mode="validation")
    classes = {each.__name__: each for each in _reached(root)}
    definitions = schema.pop("$defs", {})
    parts: list[Part] = []
    seen: set[str] = set()

    def visit(name: str, described: Mapping[str, Any]) -> None:
        if name in seen or "properties" not in described:
            return
        seen.add(name)
        model = root if name == root.__name__ else classes.get(name)
        meanings = dict(_field_docs(model)) if model is not None else {}
        required = set(described.get("required", ()))
        rows = tuple(
            Row(
                field,
                form_of(value, definitions),
                "required" if field in required else _default(value, model, field),
                meanings.get(field, ""),
            )
            for field, value in described["properties"].items()
        )
        parts.append(Part(name, _one_line(inspect.getdoc(model) or "") if model else "", rows))
        for value in described["properties"].values():
            for ref in _refs(value):
                visit(ref, definitions[ref])

    visit(root.__name__, schema)
    return parts


def form_of(described: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """What may be written, in a few words."""
    if "$ref" in described:
        name = described["$ref"].removeprefix(_REF)
        target = definitions[name]
        return f"[{name}](#{name.lower()})" if "properties" in target else form_of(target, definitions)
    if choices := described.get("anyOf") or described.get("oneOf"):
        forms = [form_of(each, definitions) for each in choices if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(forms))
    if values := [described["const"]] if "const" in described else described.get("enum"):
        return " or ".join(f"`{value}`" for value in values)
    return _typed_form(described, definitions)


def _typed_form(described: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    kind = described.get("type")
    if kind == "array" and "prefixItems" in described:
        form = f"[{', '.join(form_of(each, definitions) for each in described['prefixItems'])}]"
    elif kind == "array":
        form = f"list of {form_of(described.get('items', {}), definitions)}"
    elif kind == "object":
        form = f"map of name to {form_of(described.get('additionalProperties') or {}, definitions)}"
    elif kind in ("integer", "number"):
        form = kind + _bounds(described)
    else:
        form = {"boolean": "`true` or `false`", "string": "text"}.get(str(kind), "any")
    return form


def _bounds(described: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {described[name]:,g}" for name, sign in signs.items() if name in described]
    return f" {', '.join(found)}" if found else ""


def _default(described: Mapping[str, Any], model: type[BaseModel] | None, field: str) -> str:
    value = described.get("default")
    if value is None:
        found = model.model_fields.get(field) if model is not None else None
        factory = found is not None and found.default is PydanticUndefined
        return "its own defaults" if factory else "–"
    if value in ({}, []):
        return "none"
    if isinstance(value, dict):
        return "its own defaults"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _refs(described: Any) -> Iterator[str]:
    if isinstance(described, Mapping):
        for key, value in described.items():
            if key == "$ref":
                yield value.removeprefix(_REF)
            elif key not in ("mapping", "discriminator"):
                yield from _refs(value)
    elif isinstance(described, list):
        for each in described:
            yield from _refs(each)


def _field_docs(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """The string below each field, as the sources have it; of parents, too."""
    for each in reversed(model.__mro__):
        if not issubclass(each, BaseModel) or each is BaseModel:
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        assert isinstance(body, ast.ClassDef)
        field: str | None = None
        for statement in body.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                field = _alias(each, statement.target.id)
            elif field and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield field, _one_line(str(statement.value.value))
                field = None
            else:
                field = None


def _alias(model: type[BaseModel], field: str) -> str:
    found = model.model_fields.get(field)
    return found.alias if found is not None and found.alias else field


def _reached(root: type[BaseModel]) -> set[type[BaseModel]]:
    """The model and every one that its fields lead to."""
    found: set[type[BaseModel]] = set()
    waiting: list[Any] = [root]
    while waiting:
        each = waiting.pop()
        if isinstance(each, type) and issubclass(each, BaseModel):
            if each not in found:
                found.add(each)
                waiting += [field.annotation for field in each.model_fields.values()]
        else:
            waiting += get_args(each)
    return found


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("``", "`")).strip()
