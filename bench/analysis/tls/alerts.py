"""Why a handshake failed, by the numbers that BoringSSL gives its errors; never by their texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CLIENT_REFUSED: Final = "client-certificate-refused"
"""nginx shakes hands with a client whose certificate it does not trust, and answers 400."""
SOCKET: Final = "connection-failed"
_UNKNOWN: Final = "other-tls-error"

_NUMBER = re.compile(r"\b(\d{6,10})\b")
_REASON_MASK: Final = 0xFFF
_SSL_LIBRARY: Final = 16
"""``ERR_LIB_SSL``; an error's number is library << 24 | reason (``openssl/err.h``)."""

# Reasons of openssl/ssl.h in BoringSSL; 1000 and more are alerts of the other end, 1000 + number of RFC
# 8446, 6.
_REASONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        125: "certificate-verify-failed",
        240: "unsupported-version",
        247: "wrong-version",
        253: "wrong-curve",
        1010: "alert-unexpected-message",
        1040: "alert-handshake-failure",
        1042: "alert-bad-certificate",
        1044: "alert-certificate-revoked",
        1045: "alert-certificate-expired",
        1046: "alert-certificate-unknown",
        1047: "alert-illegal-parameter",
        1048: "alert-unknown-ca",
        1050: "alert-decode-error",
        1051: "alert-decrypt-error",
        1070: "alert-protocol-version",
        1071: "alert-insufficient-security",
        1080: "alert-internal-error",
        1116: "alert-certificate-required",
    }
)


def name_failure(failure: str | None) -> str | None:
    """The name of a transport failure as Envoy logs it; None where there is none."""
    if not failure:
        return None
    for match in _NUMBER.finditer(failure):
        number = int(match[1])
        if number >> 24 == _SSL_LIBRARY:
            return _REASONS.get(number & _REASON_MASK, _UNKNOWN)
    return SOCKET
