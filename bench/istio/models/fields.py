"""The types that the models' fields are made of."""

from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, Strict, model_validator
from pydantic_core import PydanticCustomError

from bench.istio.models.duration import Duration, parse_duration

T = TypeVar("T")


def camel_case(name: str) -> str:
    """The name that a field has in YAML: ``http1_max_pending_requests`` is ``http1MaxPendingRequests``."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


class StrictModel(BaseModel):
    """A part of an Istio resource: immutable, and every field in it must be a known one."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=camel_case,
        arbitrary_types_allowed=True,
        defer_build=True,  # on the first reading: most commands read a few kinds
    )


class ChoiceModel(StrictModel):
    """A part of which some fields exclude each other (``oneOf`` in the custom resource definitions)."""

    one_of: ClassVar[tuple[tuple[str, ...], ...]]
    """Groups of attribute names; of each group at most one field may be written."""

    @model_validator(mode="after")
    def _at_most_one_of_each_group(self) -> Self:
        for group in self.one_of:
            written = [name for name in group if name in self.model_fields_set]
            if len(written) > 1:
                fields = type(self).model_fields
                names = " and ".join(fields[name].alias or name for name in written)
                raise PydanticCustomError("one_of", "only one of {names} may be set", {"names": names})
        return self


class LenientModel(BaseModel):
    """A part of a Kubernetes object: people paste whole objects, so other fields are passed over."""

    # Built when it is first read: most commands read a few kinds.
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=camel_case, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _null_means_absent(cls, data: Any) -> Any:
        return {k: v for k, v in data.items() if v is not None} if isinstance(data, dict) else data


def _refuse_null(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("null", "must not be null; leave the field out instead")
    return value


MayBeAbsent = Annotated[T | None, BeforeValidator(_refuse_null)]
"""``None`` when the field is not written. A written null is refused, as the API server refuses it."""

Text = Annotated[str, Strict()]
Flag = Annotated[bool, Strict()]
Int32 = Annotated[int, Strict(), Field(ge=-(2**31), le=2**31 - 1)]
UInt32 = Annotated[int, Strict(), Field(ge=0, le=2**32 - 1)]
UInt64 = Annotated[int, Strict(), Field(ge=0, le=2**63 - 1)]
"""The API server reads whole numbers as 64 bits with a sign, so the upper half is refused there."""
Number = Annotated[float, Strict()]
Labels = dict[Text, Text]


def _read_duration(value: Any) -> Duration:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    try:
        return parse_duration(value)
    except ValueError as error:
        raise PydanticCustomError("duration", "{reason}", {"reason": str(error)}) from error


Span = Annotated[Duration, PlainValidator(_read_duration)]
