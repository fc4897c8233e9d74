"""What ``scenario.yaml`` says of containers: images, and what each part may use. For ``--stack docker``."""

import math
import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from bench.scenario.written import Written
from bench.units import parse_bytes

_CPUS = re.compile(r"(\d+)m")
_LEAST_MEMORY = 6 << 20
"""Docker takes no smaller limit."""


def _cores(value: object) -> object:
    """Read ``500m`` as 0.5, as Kubernetes does."""
    if isinstance(value, str) and (found := _CPUS.fullmatch(value)):
        return int(found.group(1)) / 1000
    return value


def _bytes(value: object) -> object:
    """Read ``128Mi`` as bytes, as Kubernetes does."""
    return parse_bytes(value) if isinstance(value, str) else value


class Resources(Written):
    """What one part may use, as a Kubernetes container's limits say it."""

    cpus: Annotated[float, Field(ge=0.01), BeforeValidator(_cores)] | None = None
    """Cores: ``0.5`` or ``500m``. Also decides a proxy's ``--concurrency``: rounded up, as Istio does."""
    memory: Annotated[int, Field(ge=_LEAST_MEMORY), BeforeValidator(_bytes)] | None = None
    """``128Mi``, ``1Gi`` or bytes."""
    cpuset: str | None = Field(default=None, pattern=r"^\d+(-\d+)?(,\d+(-\d+)?)*$")
    """Cores by number, as in ``0-1,3``: keeps the generator and what it measures apart."""

    @property
    def concurrency(self) -> int:
        """Envoy worker threads for this many cores."""
        return max(1, math.ceil(self.cpus)) if self.cpus is not None else 1


class Images(Written):
    """Images instead of the official ones: ``name:tag`` or ``name@sha256:…``."""

    envoy: str | None = Field(default=None, min_length=1)
    """Of every proxy."""
    nginx: str | None = Field(default=None, min_length=1)
    """Of every node that is an nginx."""
    generator: str | None = Field(default=None, min_length=1)
    """Of the load generator."""
