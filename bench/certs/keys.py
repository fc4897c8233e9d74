"""Private keys of the kinds that a scenario can ask for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, get_args

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

KeyType = Literal["rsa-4096", "rsa-2048", "ecdsa-p256", "ecdsa-p384"]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

KEY_TYPES: tuple[KeyType, ...] = get_args(KeyType)


def generate_key(key_type: KeyType) -> PrivateKey:
    """Make one private key. RSA-4096 takes about half a second of one core, now and then three times that."""
    if key_type == "rsa-4096":
        return rsa.generate_private_key(public_exponent=65537, key_size=4096)
    if key_type == "rsa-2048":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP384R1() if key_type == "ecdsa-p384" else ec.SECP256R1())


def generate_keys(key_types: Sequence[KeyType]) -> list[PrivateKey]:
    """Make several keys side by side: the search for primes runs outside Python's lock."""
    with ThreadPoolExecutor(max_workers=max(1, len(key_types)), thread_name_prefix="key") as pool:
        return list(pool.map(generate_key, key_types))


class KeysAhead:
    """Keys that are made while something else is done; the search ends with the process at the latest."""

    def __init__(self, key_types: Sequence[KeyType]) -> None:
        """Begin."""
        self._key_types = tuple(key_types)
        self._keys: list[PrivateKey] | None = None
        # A daemon: who finds a mistake in a scenario meanwhile need not wait for keys.
        self._thread = threading.Thread(target=self._make, name="keys", daemon=True)
        self._thread.start()

    def take(self, key_types: Sequence[KeyType]) -> list[PrivateKey]:
        """The keys, once; keys of other types, or asked for again, are made then and there."""
        self._thread.join()
        keys, self._keys = self._keys, None
        if keys is not None and tuple(key_types) == self._key_types:
            return keys
        return generate_keys(key_types)

    def _make(self) -> None:
        # What goes wrong here goes wrong again, and is reported, where the keys are taken.
        with contextlib.suppress(Exception):
            self._keys = generate_keys(self._key_types)


def private_key_pem(key: PrivateKey) -> bytes:
    """PKCS#8 PEM without a password, as Envoy and nginx read it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
