"""Certificates: an authority, what it issues, the deliberately wrong ones, and how they lie on disk."""

from bench.certs.authority import Authority, named
from bench.certs.chains import write_deep_client, write_short_lived_server
from bench.certs.files import write_files
from bench.certs.keys import KeysAhead, generate_keys
from bench.certs.material import (
    SET_KEYS,
    WRONG,
    WRONG_NAME,
    Material,
    ServerNames,
    SetNames,
    Wrong,
    rotate,
    write_material,
)
from bench.certs.workloads import certificate_file, files_of

__all__ = [
    "SET_KEYS",
    "WRONG",
    "WRONG_NAME",
    "Authority",
    "KeysAhead",
    "Material",
    "ServerNames",
    "SetNames",
    "Wrong",
    "certificate_file",
    "files_of",
    "generate_keys",
    "named",
    "rotate",
    "write_deep_client",
    "write_files",
    "write_material",
    "write_short_lived_server",
]
