"""Plain data as YAML text, the same bytes every time.

Block style, keys in the order given, two blanks for each level. Strings are bare where no reader of YAML
can take them for something else, and in JSON's quotes everywhere else.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

_BARE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*\Z")
_MEANS_SOMETHING = frozenset({"true", "false", "yes", "no", "on", "off", "null", "nan", "inf", "y", "n"})


_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What YAML wants escaped beyond what JSON does."""


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def yaml_text(value: dict[str, Any]) -> str:
    """Write a mapping as a YAML document."""
    lines: list[str] = []
    _mapping(value, "", "", lines)
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=1 << 16)
def _string(value: str) -> str:
    # Thousands of clusters have the same few hundred names and values, but for their own.
    if _BARE.match(value) and value.lower() not in _MEANS_SOMETHING:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return quoted if quoted.isascii() and "\x7f" not in quoted else _UNPRINTABLE.sub(_escaped, quoted)


def _scalar(value: Any) -> str:
    return _string(value) if isinstance(value, str) else json.dumps(value)


def _mapping(value: dict[str, Any], first: str, indent: str, lines: list[str]) -> None:
    """Write the entries; the first one is behind *first*, the others behind *indent*."""
    lead = first
    for key, item in value.items():
        name = _string(key)
        if isinstance(item, dict) and item:
            lines.append(f"{lead}{name}:")
            _mapping(item, indent + "  ", indent + "  ", lines)
        elif isinstance(item, list) and item:
            lines.append(f"{lead}{name}:")
            _sequence(item, indent, lines)
        else:
            lines.append(f"{lead}{name}: {_empty_or_scalar(item)}")
        lead = indent


def _sequence(value: list[Any], indent: str, lines: list[str]) -> None:
    for item in value:
        if isinstance(item, dict) and item:
            _mapping(item, f"{indent}- ", f"{indent}  ", lines)
        elif isinstance(item, list) and item:
            lines.append(f"{indent}-")
            _sequence(item, f"{indent}  ", lines)
        else:
            lines.append(f"{indent}- {_empty_or_scalar(item)}")


def _empty_or_scalar(item: Any) -> str:
    if isinstance(item, dict):
        return "{}"
    if isinstance(item, list):
        return "[]"
    return _scalar(item)
