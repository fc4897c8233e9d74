"""DNS names, addresses and labels as Istio checks them.

A check returns what is wrong, or ``None``. Source of the rules: istio ``pkg/config/validation/agent``,
``pkg/config/labels`` and ``pkg/config/host``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from bench.istio.hosts import is_ip
from bench.istio.validation.findings import Findings

_LABEL = r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?"
_QUALIFIED = r"[a-zA-Z0-9](?:[-._a-zA-Z0-9]*[a-zA-Z0-9])?"
_DNS_LABEL = re.compile(_LABEL)
_WILDCARD_LABEL = re.compile(rf"\*|(?:\*|\*-)?{_LABEL}")
_TAG_KEY = re.compile(rf"({_LABEL}(?:\.{_LABEL})*/)?({_QUALIFIED})")
_TAG_VALUE = re.compile(rf"(?:{_QUALIFIED})?")
_MASK = re.compile(r"0|[1-9][0-9]{0,2}")
_LONGEST_LABEL = 63
_LONGEST_NAME = 255
_LONGEST_PREFIX = 253
_LARGEST_INTEGER = 2**63 - 1

UNIX_PREFIX = "unix://"
_OUTBOUND = "outbound"


def is_dns_label(text: str) -> bool:
    """Whether *text* is a DNS label (RFC 1123), upper case allowed."""
    return len(text) <= _LONGEST_LABEL and _DNS_LABEL.fullmatch(text) is not None


def check_ip_address(text: str) -> str | None:
    """Refuse what is not an IP address."""
    return None if is_ip(text) else f'"{text}" is not an IP address'


def check_subnet(text: str) -> str | None:
    """Refuse what is neither an IP address nor one with a mask; bits beyond the mask are allowed."""
    if text.count("/") != 1:
        return check_ip_address(text)
    address, _, bits = text.partition("/")
    wrong = f'"{text}" is not a subnet'
    if "%" in address or not is_ip(address) or not _MASK.fullmatch(bits):
        return wrong
    if int(bits) > ipaddress.ip_address(address).max_prefixlen:
        return wrong
    return None


def _check_length(name: str) -> str | None:
    if not name:
        return "the name is empty"
    if len(name.encode()) > _LONGEST_NAME:
        return f'the name "{name[:40]}..." has more than {_LONGEST_NAME} characters'
    return None


def _check_labels(name: str) -> str | None:
    labels = name.split(".")
    last = labels[-1]
    if re.fullmatch(r"[-+]?[0-9]+", last) and abs(int(last)) <= _LARGEST_INTEGER:
        return f'"{name}": the last part "{last}" cannot be a number'
    for index, label in enumerate(labels):
        # A dot at the end is allowed: the name is absolute.
        if not label and index == len(labels) - 1:
            return None
        if not is_dns_label(label):
            return f'"{name}": the part "{label}" is not a DNS label'
    return None


def check_fqdn(name: str) -> str | None:
    """Refuse what is not a DNS name; a wildcard is none."""
    return _check_length(name) or _check_labels(name)


def check_wildcard_domain(name: str) -> str | None:
    """Refuse what is not a DNS name; its first part may be or begin with a star."""
    if (wrong := _check_length(name)) is not None:
        return wrong
    first, dot, rest = name.partition(".")
    if len(first) > _LONGEST_LABEL or not _WILDCARD_LABEL.fullmatch(first):
        return f'"{name}": the part "{first}" is not a DNS label'
    return _check_labels(rest) if dot else None


def check_gateway_bound_domain(name: str, *, is_sni: bool) -> str | None:
    """As :func:`check_wildcard_domain`, but an SNI may be ``outbound_.PORT_.SUBSET_.HOST``."""
    if not is_sni or not name.startswith(f"{_OUTBOUND}_"):
        return check_wildcard_domain(name)
    if (wrong := _check_length(name)) is not None:
        return wrong
    parts = name.split("_")
    wrong = f'"{name}" does not follow outbound_.PORT_.SUBSET_.HOST'
    if len(parts) < 4:
        return wrong
    port, host = parts[1].strip("."), parts[3].strip(".")
    return None if re.search(r"[0-9]", port) and re.search(r"[a-zA-Z]", host) else wrong


def check_partial_wildcard(name: str) -> str | None:
    """Refuse a star that is not the whole first part."""
    if "*" in name and len(name) != 1 and not name.startswith("*."):
        return f'"{name}": a star must be the whole first part'
    return None


def check_dns_label(text: str, what: str) -> str | None:
    """Refuse what is not a DNS label; *what* is what it should be a name of."""
    return (
        None
        if is_dns_label(text)
        else f'"{text}" is not a valid {what}: letters, digits and hyphens, at most 63'
    )


def check_unix_path(path: str) -> str | None:
    """Refuse what is neither an abstract socket (``@name``) nor an absolute path to a file."""
    if path.startswith("@"):
        return None
    if not path.startswith("/") or path.endswith("/"):
        return f'"{path}" is not an absolute path to a socket'
    return None


def check_labels(labels: Mapping[str, str], findings: Findings) -> None:
    """Refuse label keys that are not qualified names, and values with other characters."""
    for key, value in labels.items():
        match = _TAG_KEY.fullmatch(key)
        if match is None:
            findings.refuse(f'"{key}" is not a label key', key)
        elif len(match[1] or "") - 1 > _LONGEST_PREFIX:
            findings.refuse(f"the prefix of the label key has more than {_LONGEST_PREFIX} characters", key)
        elif len(match[2]) > _LONGEST_LABEL:
            findings.refuse(f"the label key has more than {_LONGEST_LABEL} characters", key)
        if not _TAG_VALUE.fullmatch(value):
            findings.refuse(f'"{value}" is not a label value: letters, digits, and between them - _ .', key)
