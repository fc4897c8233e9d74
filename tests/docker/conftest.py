import pytest

from bench.stack.compose.stack import ComposeStack
from tests.stack.egress_path import egress_spec, gateway_files

LOG = {"id": "%REQ(X-BENCH-ID)%", "code": "%RESPONSE_CODE%"}


def eds_gateway(placement):
    return gateway_files(placement, eds=True, access_log=LOG)


@pytest.fixture(scope="session")
def stack(images, material):
    with ComposeStack(egress_spec(material.live, gateway=eds_gateway), images=images) as running:
        yield running
