"""Certificates for every stack of these tests, made once."""

import pytest

from bench.certs.material import write_material
from tests.stack.egress_path import NAMES


@pytest.fixture(scope="session")
def material(tmp_path_factory):
    return write_material(tmp_path_factory.mktemp("certs") / "material", names=NAMES, key_type="ecdsa-p256")
