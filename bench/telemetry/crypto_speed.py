"""What one signature and its verification take on this machine: ``openssl speed``, by CPU time."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bench.errors import MeasurementError

_ALGORITHMS: Final[Mapping[str, str]] = MappingProxyType(
    {"rsa-2048": "rsa2048", "rsa-4096": "rsa4096", "ecdsa-p256": "ecdsap256", "ecdsa-p384": "ecdsap384"}
)
"""Key type of a scenario -> the algorithm's name in ``openssl speed``."""
# +F2:index:bits:signs per second:verifies per second, of RSA; +F4 the same of ECDSA (apps/speed.c, -mr).
_LINE = re.compile(r"^\+F[24]:\d+:\d+:([\d.]+):([\d.]+)$", re.MULTILINE)
_LONGEST_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class OpensslSpeed:
    """One run for one key type, microseconds of CPU for each operation."""

    sign_us: float
    verify_us: float


def openssl_version() -> str | None:
    """The library behind the ``openssl`` on PATH, such as ``OpenSSL 3.0.19``; None: there is none."""
    program = shutil.which("openssl")
    if program is None:
        return None
    try:
        said = subprocess.run([program, "version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return " ".join(said.stdout.split()[:2]) or None


def openssl_speed(key: str, *, seconds: int = 1) -> OpensslSpeed:
    """Sign and verify with *key* for this many seconds each.

    ``openssl speed`` divides by its own user time, so that a busy machine does not stretch it.

    Raises:
        MeasurementError: there is no ``openssl``, it knows no such key, or it says something else.
    """
    program, algorithm = shutil.which("openssl"), _ALGORITHMS.get(key)
    if program is None or algorithm is None:
        missing = "there is no `openssl` on PATH" if program is None else f"openssl speed knows no {key}"
        raise MeasurementError(
            f"{missing}: the handshakes have no oracle.", remedy="Install OpenSSL's command."
        )
    command = [program, "speed", "-mr", "-seconds", str(seconds), algorithm]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise MeasurementError(f"`{' '.join(command)}` failed: {error}.") from error
    return parse_speed(said.stdout)


def parse_speed(text: str) -> OpensslSpeed:
    """Read the machine-readable output for one algorithm.

    Raises:
        MeasurementError: it holds no such line.
    """
    found = _LINE.search(text)
    rates = [float(value) for value in found.groups()] if found is not None else []
    if not rates or not all(rates):
        raise MeasurementError("openssl speed reported nothing about signatures.")
    # Up to 1.0.2 it reported seconds for each operation instead of operations for each second.
    sign, verify = (value * 1e6 if value < 1 else 1e6 / value for value in rates)
    return OpensslSpeed(sign, verify)
