"""What the lab measures, and for how long: a quick look by default, the whole with ``--full``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from bench.errors import InputError
from bench.result import TlsVersionName
from bench.scenario import KeyType
from bench.stack.backend import Backend
from bench.translate import ConfigSource

Part = Literal["matrix", "sessions", "pools", "storms", "refusals", "mesh"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
_KEYS: Final[tuple[KeyType, ...]] = ("ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-4096")
"""The cheap ones first: their intervals are soon narrow, and the dear ones after them get the time."""
_VERSIONS: Final[tuple[TlsVersionName, ...]] = get_args(TlsVersionName)


@dataclass(frozen=True, slots=True)
class GroundPlan:
    """A key, a version, and who shows a certificate: what full and resumed handshakes share."""

    key: KeyType
    tls_version: TlsVersionName
    client_certificate: bool

    @property
    def name(self) -> str:
        """For stacks and folders."""
        version = self.tls_version.removeprefix("TLSv").replace(".", "")
        return f"{self.key}-{version}-{'mutual' if self.client_certificate else 'simple'}"


@dataclass(frozen=True, slots=True)
class LabOptions:
    """What the command line says."""

    out: Path
    command: str
    backend: Backend
    config_source: ConfigSource = "static"
    is_full: bool = False
    parts: tuple[Part, ...] = PARTS
    keys: tuple[KeyType, ...] = ()
    """Empty: those of ``is_full``."""
    rounds: int | None = None
    """Of each ground of the matrix; None: as ``is_full`` says."""

    def __post_init__(self) -> None:
        """Refuse what is not a lab.

        Raises:
            InputError: no round, or fewer than an interval takes.
        """
        if self.rounds is not None and self.rounds < MIN_ROUNDS:
            raise InputError(
                f"--rounds is {self.rounds}.",
                remedy=f"Give {MIN_ROUNDS} or more: intervals are based on them.",
            )

    def grounds(self, own_key: KeyType) -> list[GroundPlan]:
        """The grounds of the matrix, for a scenario with *own_key*."""
        keys = self.keys or (_KEYS if self.is_full else tuple(dict.fromkeys((own_key, "ecdsa-p256"))))
        return list(_grounds(keys, (True, False) if self.is_full else (True,)))

    @property
    def source_of_changes(self) -> ConfigSource:
        """Where endpoints that change under way come from: a cluster that changes loses its connections."""
        return "eds" if self.config_source == "static" else self.config_source

    @property
    def schedule(self) -> Schedule:
        """How long things take."""
        return FULL if self.is_full else QUICK


def _grounds(keys: tuple[KeyType, ...], shown: tuple[bool, ...]) -> Iterator[GroundPlan]:
    for key in keys:
        for version in _VERSIONS:
            for client_certificate in shown:
                yield GroundPlan(key, version, client_certificate)


MIN_ROUNDS: Final = 2


@dataclass(frozen=True, slots=True)
class Schedule:
    """Lengths of the lab's parts, in seconds and counts."""

    rounds: int
    """At least this many rounds of a ground."""
    most_rounds: int
    """At most; between the two it ends when its intervals are narrow enough, or its time is over."""
    ground_s: float
    """Time for a ground's rounds; what one does not need, those after it share."""
    window_s: float
    """Of one stack's load within a window."""
    shots: int
    """Connections of the direct client of each kind in each round."""
    session_s: float
    pool_s: float
    storm_s: float
    mesh_pairs: int


QUICK: Final = Schedule(
    rounds=2,
    most_rounds=2,
    ground_s=60,
    window_s=0.4,
    shots=20,
    session_s=2.0,
    pool_s=2.5,
    storm_s=5.0,
    mesh_pairs=4,
)
FULL: Final = Schedule(
    rounds=2,
    most_rounds=12,
    ground_s=52,
    window_s=0.7,
    shots=24,
    session_s=3.0,
    pool_s=3.0,
    storm_s=8.0,
    mesh_pairs=8,
)
ENOUGH: Final = 0.03
"""Half-width of an interval, as a share of the figure, that ends a ground."""
