"""Which endpoint goes where."""

import pytest

from bench.placement import Placement, same_endpoint

NODE, CLOSED = ("127.0.0.1", 4001), ("127.0.0.1", 1)


@pytest.mark.parametrize(
    ("played", "asked"),
    [
        (("192.0.2.1", 443), ("192.0.2.1", 443)),
        (("api.example", 443), ("API.example.", 443)),
        (("2001:DB8:0::7", 443), ("2001:db8::7", 443)),
    ],
)
def test_an_endpoint_that_is_played_leads_to_its_stand_in_however_it_is_spelt(played, asked):
    placement = Placement("/c", "/l", endpoints={played: NODE}, closed_port=CLOSED)

    assert placement.stand_in(asked) == NODE
    assert same_endpoint(played) == same_endpoint(asked)


@pytest.mark.parametrize("asked", [("192.0.2.1", 80), ("192.0.2.2", 443), ("api.example", 443), ("", 0)])
def test_everything_else_leads_to_the_closed_port(asked):
    placement = Placement("/c", "/l", endpoints={("192.0.2.1", 443): NODE}, closed_port=CLOSED)

    assert placement.stand_in(asked) == CLOSED


def test_without_a_closed_port_endpoints_stay_as_translated():
    assert Placement("/c", "/l").stand_in(("192.0.2.1", 443)) == ("192.0.2.1", 443)
