"""What every part of ``scenario.yaml`` has in common."""

from pydantic import BaseModel, ConfigDict


class Written(BaseModel):
    """A part of the file: immutable, every field in it a known one, and each number a number.

    Models are built when something is read: most commands read few kinds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)
