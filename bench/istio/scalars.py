"""What an unquoted YAML word means to Kubernetes.

Kubernetes reads YAML with ``sigs.k8s.io/yaml``, a fork of go-yaml v2: mostly YAML 1.1, so ``yes``, ``on`` and
even ``y`` are true, but dates stay texts. Its JSON then has no difference between ``1`` and ``1.0``.
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_FIRST_OF_A_NUMBER = frozenset("0123456789+-.")
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0[0-7]*|[1-9][0-9]{0,19})")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LARGEST_UNSIGNED = 2**64 - 1
_LEAST_SIGNED = -(2**63)
_LARGEST_PLAIN_FLOAT = 1e21
"""From here on JSON writes a float with an exponent, which is not a whole number to the API server."""


def resolve(word: str) -> Scalar:
    """The value of the unquoted *word*."""
    if word in _WORDS:
        return _WORDS[word]
    if word[0] not in _FIRST_OF_A_NUMBER:
        return word
    digits = word if word[0] == "." else word.replace("_", "")
    if _INTEGER.fullmatch(digits):
        number = _integer(digits)
        if _LEAST_SIGNED <= number <= _LARGEST_UNSIGNED:
            return number
    if _FLOAT.fullmatch(digits):
        value = float(digits)
        if value.is_integer() and abs(value) < _LARGEST_PLAIN_FLOAT:
            return int(value)
        return value
    return word


def _integer(digits: str) -> int:
    sign = -1 if digits.startswith("-") else 1
    plain = digits.lstrip("+-").lower()
    if plain.startswith(("0x", "0b", "0o")):
        return sign * int(plain, 0)
    if plain.startswith("0") and len(plain) > 1:
        return sign * int(plain, 8)
    return sign * int(plain)


def key_text(value: Scalar) -> str | None:
    """The JSON key for a YAML key, or ``None`` where Kubernetes accepts none (a null, an object)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return None
