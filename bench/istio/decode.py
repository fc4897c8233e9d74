"""Plain values to a model, with each fault named by its field and in a sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bench.istio.problem import Path, path_text

_TYPE_NAMES = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
}

MOST_UNKNOWN_FIELDS = 20
"""Of one object that are named one by one."""
_LONGEST_WORD = 100
"""Characters up to which a misspelt word is compared with the known ones."""

_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field."""

    path: Path
    what: str
    remedy: str | None = None
    is_unknown_field: bool = False
    is_sentence: bool = False
    """:attr:`what` has a subject of its own."""

    @property
    def text(self) -> str:
        """What is wrong, with the field."""
        name = path_text(self.path)
        return f"{name}: {self.what}" if name and self.is_sentence else f"{name} {self.what}".strip()


class FieldError(ValueError):
    """Raised by a validator of several fields: which of them is wrong."""

    def __init__(self, path: Path, what: str) -> None:
        """*path* leads from the validated object to the field, which is the subject of *what*."""
        super().__init__(what)
        self.path = path


def decode(model: type[BaseModel], data: Any, root: Path) -> BaseModel | list[FieldFault]:
    """*data* as a *model*, or everything that is wrong with it; *root* is the way to *data* in its object."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        return list(_faults(model, error.errors(include_url=False), root))


def _faults(model: type[BaseModel], errors: Iterable[ErrorDetails], root: Path) -> Iterator[FieldFault]:
    unknown: dict[Path, int] = {}
    for details in errors:
        if details["type"] == "extra_forbidden":
            holder = root + tuple(details["loc"][:-1])
            unknown[holder] = unknown.get(holder, 0) + 1
            if unknown[holder] > MOST_UNKNOWN_FIELDS:
                continue
        yield _fault(model, details, root)
    for holder, count in unknown.items():
        if count > MOST_UNKNOWN_FIELDS:
            yield _more_unknown_fields(holder, count)


def _fault(model: type[BaseModel], error: ErrorDetails, root: Path) -> FieldFault:
    loc = tuple(part for part in error["loc"] if part != "[key]")
    path = root + loc
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        meant = _meant(model, loc[:-1], str(loc[-1]))
        if meant is not None:
            return FieldFault(path, "is not a known field.", meant, is_unknown_field=True)
        return _unknown_field(path, str(loc[-1]), tuple(_field_names(model, loc[:-1])))
    if kind == "missing":
        return FieldFault(path, "is required.", f"Write {loc[-1]}.")
    if kind == "finite_number":
        return FieldFault(path, f"must be a finite number, not {given}.")
    if kind in _TYPE_NAMES:
        remedy = "Put it in quotes." if kind == "string_type" and isinstance(given, int | float) else None
        if kind == "int_type" and isinstance(given, str) and given.isdecimal():
            remedy = "Write it without quotes."
        return FieldFault(path, f"must be {_TYPE_NAMES[kind]}, not {describe(given)}.", remedy)
    return _value_fault(path, kind, given, context, error["msg"])


def _value_fault(path: Path, kind: str, given: Any, context: dict[str, Any], message: str) -> FieldFault:
    if kind == "literal_error":
        expected = str(context["expected"]).replace(" or ", ", ").replace("'", "")
        near = nearest(str(given), expected.split(", "))
        return FieldFault(path, f"must be one of {expected}, not {describe(given)}.", near)
    if kind == "value_error" and isinstance(context["error"], FieldError):
        return FieldFault(path + context["error"].path, f"{context['error']}.")
    if kind == "value_error":
        return FieldFault(path, f"{context['error']}.", is_sentence=True)
    return FieldFault(path, f"{_bound(kind, context, given) or message}.")


def _bound(kind: str, context: dict[str, Any], given: Any) -> str | None:
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {context[key]:g}, not {describe(given)}"
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters"
    if kind == "too_long":
        return f"must have at most {context['max_length']} entries"
    if kind == "too_short":
        return f"must have at least {context['min_length']} entry"
    return None


def _unknown_field(path: Path, name: str, known: tuple[str, ...]) -> FieldFault:
    remedy = nearest(name, known)
    if remedy is None and known:
        remedy = f"Known here: {', '.join(sorted(known))}."
    return FieldFault(path, "is not a known field.", remedy, is_unknown_field=True)


def _more_unknown_fields(holder: Path, count: int) -> FieldFault:
    more = count - MOST_UNKNOWN_FIELDS
    return FieldFault(holder, f"has {more} more fields that are not known.", is_unknown_field=True)


def unknown_fields(path: Path, written: Any, known: tuple[str, ...]) -> Iterator[FieldFault]:
    """A fault for each key of *written* that is not *known*."""
    count = 0
    for name in written:
        if name not in known:
            count += 1
            if count <= MOST_UNKNOWN_FIELDS:
                yield _unknown_field((*path, name), name, known)
    if count > MOST_UNKNOWN_FIELDS:
        yield _more_unknown_fields(path, count)


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """A question that names the word of *known* that *word* was probably meant to be, if one is near.

    *cutoff* is how alike they must be, 0 to 1.
    """
    if len(word) > _LONGEST_WORD:
        return None
    by_lower_case = {str(name).lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower_case, n=1, cutoff=cutoff)
    return f"Did you mean {by_lower_case[near[0]]}?" if near else None


def _meant(model: type[BaseModel], loc: Path, name: str) -> str | None:
    """How the part of *model* at *loc* says what *name* means elsewhere: its ``MEANT``, where it has one."""
    return getattr(_model_at(model, loc), "MEANT", {}).get(name)


def _model_at(model: type[BaseModel], loc: Path) -> type[BaseModel] | None:
    part: Any = model
    for step in loc:
        part = _step(part, step)
    return _model_in(part)


def _field_names(model: type[BaseModel], loc: Path) -> Iterator[str]:
    """The fields of the part of *model* at *loc*, as they are written in YAML."""
    found = _model_at(model, loc)
    if found is not None:
        for name, info in found.model_fields.items():
            yield info.alias or name


def _step(annotation: Any, step: str | int) -> Any:
    model = _model_in(annotation)
    if model is not None and isinstance(step, str):
        for name, info in model.model_fields.items():
            if step == (info.alias or name):
                return info.annotation
        return None
    arguments = get_args(_container_in(annotation))
    return arguments[0 if isinstance(step, int) else -1] if arguments else None


def _variants(annotation: Any) -> Iterator[Any]:
    yield annotation
    if not isinstance(annotation, type):
        for argument in get_args(annotation):
            yield from _variants(argument)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if get_origin(annotation) in (tuple, dict):
        return None
    return next((v for v in _variants(annotation) if isinstance(v, type) and issubclass(v, BaseModel)), None)


def _container_in(annotation: Any) -> Any:
    return next((v for v in _variants(annotation) if get_origin(v) in (tuple, dict)), None)


def describe(value: Any) -> str:
    """*value* as the user wrote it, short, with its type where that matters."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'the text "{value if len(value) <= 60 else value[:57] + "..."}"'
    if isinstance(value, int | float):
        return f"the number {value:.12g}" if isinstance(value, float) else f"the number {value}"
    return "a list" if isinstance(value, list | tuple) else "an object"
