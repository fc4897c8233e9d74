"""Faults over containers do what they say, and the path comes back."""

import time

import pytest

from bench.errors import StackError
from bench.stack.compose.faults import ContainerFaults
from bench.verify.callers import make_calls
from bench.verify.calls import CONNECT_ONLY, Call
from tests.docker.kernel import has_netem
from tests.stack.egress_path import call
from tests.support.waiting import wait_until

pytestmark = pytest.mark.docker


@pytest.fixture
def faults(stack):
    return ContainerFaults(stack)


def status(stack, want):
    return call(stack, want)[0]


def test_a_killed_node_is_reported_as_killed_and_comes_back(stack, faults):
    with pytest.raises(StackError, match=r"nginx01 was ended by SIGKILL"):
        raise killed_by_hand(stack)

    faults.restart("nginx01")

    stack.check_alive()
    wait_until(lambda: status(stack, "v1") == 200)


def killed_by_hand(stack):
    """What the stack says of a node that somebody else ended."""
    container = stack.container("nginx01")
    stack.project.engine.api.kill(container.id)
    stack.project.engine.api.wait(container.id)
    try:
        stack.check_alive()
    except StackError as error:
        return error
    raise AssertionError


def test_a_client_that_is_killed_is_named_as_a_part_that_died(stack):
    client = stack.client("sidecar").container
    stack.project.engine.api.kill(client)
    stack.project.engine.api.wait(client)
    try:
        with pytest.raises(StackError, match=r"the client beside sidecar was ended by SIGKILL"):
            stack.check_alive()
    finally:
        stack.project.engine.api.start(client)
    stack.check_alive()


def test_a_node_that_is_killed_on_purpose_fails_its_subset_alone_and_stops_no_run(stack, faults):
    faults.kill("nginx02")
    try:
        stack.check_alive()
        assert status(stack, "v2") == 503
        assert status(stack, "v1") == 200
    finally:
        faults.restart("nginx02")
    wait_until(lambda: status(stack, "v2") == 200)
    assert stack.component("nginx02").pid == stack.container("nginx02").visible_pid()


def test_a_paused_node_holds_its_requests_until_it_goes_on(stack, faults):
    faults.pause("nginx01")
    try:
        stack.check_alive()
        with pytest.raises(TimeoutError):
            call(stack, "v1", timeout_s=0.5)
    finally:
        faults.resume("nginx01")
    wait_until(lambda: status(stack, "v1") == 200)


def test_a_disconnected_node_comes_back_under_its_own_address(stack, faults):
    address = next(iter(stack.component("nginx02").addresses.values()))
    faults.disconnect("nginx02")
    try:
        (answer,) = make_calls([Call(f"https://{address[0]}:{address[1]}", method=CONNECT_ONLY)])
        assert answer.error is not None
    finally:
        faults.reconnect("nginx02")
    wait_until(lambda: status(stack, "v2") == 200)
    assert next(iter(stack.component("nginx02").addresses.values())) == address
    # Its device has another name now.
    assert len(faults._devices("nginx02")) == 1


def test_delay_shows_in_every_answer_or_the_kernel_is_named_as_unable(stack, faults):
    try:
        faults.disturb("nginx01", delay_ms=50)
    except StackError as error:
        if has_netem():
            raise
        reported = str(error)
    else:
        began = time.monotonic()
        call(stack, "v1")
        assert time.monotonic() - began >= 0.05
        faults.calm("nginx01")
        return
    assert "this kernel cannot delay or lose packets" in reported


def test_a_node_serves_with_other_certificates_as_soon_as_configured(stack, faults, material):
    faults.use_certificates("nginx01", material.wrong("other-ca"))
    try:
        wait_until(lambda: status(stack, "v1") == 503)
        assert status(stack, "v2") == 200
    finally:
        faults.use_certificates("nginx01", material.live)
    wait_until(lambda: status(stack, "v1") == 200)
