"""What the rules conclude from evidence, and what they must not."""

from dataclasses import replace

from bench.experiment.faults.diagnosis import Cause, diagnose
from bench.result import LedgerResult
from tests.experiment.evidence import SIZE, book, clean, gateway_line, later, node_line, seldom


def test_all_is_well_means_no_finding():
    assert diagnose(clean()) == ()


def test_wrong_answers_that_no_rule_explains_are_an_alarm_all_the_same():
    (finding,) = diagnose(clean(reasons={("v1", "status:418"): 3}))

    assert (finding.cause, finding.requests) == (Cause.WRONG_ANSWERS, 3)


def test_a_ledger_that_does_not_balance_is_an_alarm_although_every_answer_was_right():
    ledger = LedgerResult(level="full", books=(book("open", 1),), requests=SIZE)

    (finding,) = diagnose(clean(ledger=ledger))

    assert (finding.cause, finding.requests) == (Cause.UNBALANCED, 1)


def test_one_request_at_the_wrong_node_is_a_stray_and_named_by_its_id():
    evidence = clean()
    gateway = list(evidence.gateway)
    gateway[10] = gateway[10]._replace(cluster="c2")
    n1 = tuple(entry for entry in evidence.nodes["n1"] if entry.id != "r/10")
    n2 = (*evidence.nodes["n2"], node_line("r/10", "n2", at=51_000))

    (finding,) = diagnose(replace(evidence, gateway=tuple(gateway), nodes={"n1": n1, "n2": n2}))

    assert finding.cause is Cause.STRAY_MISROUTE
    assert "r/10" in finding.detail
    assert finding.requests == 1


def test_a_machine_that_is_slow_for_everybody_makes_no_node_slow():
    evidence = clean()
    slowed = tuple(
        entry._replace(duration_us=40_000) if entry.time_us > 1_000_000 else entry
        for entry in evidence.gateway
    )

    assert diagnose(replace(evidence, gateway=slowed)) == ()


def test_one_node_that_is_slow_for_every_request_is_named_with_how_much():
    evidence = clean()
    slowed = tuple(
        entry._replace(duration_us=20_900) if entry.time_us > 1_000_000 and entry.cluster == "c1" else entry
        for entry in evidence.gateway
    )

    (finding,) = diagnose(replace(evidence, gateway=slowed))

    assert finding.cause is Cause.NODE_SLOW
    assert "n1 take 20.0 ms longer" in finding.detail


def test_a_node_that_is_slow_for_two_seconds_is_named_though_it_gets_few_requests():
    """Twenty-five in a second: a quarter of it holds too few."""
    evidence = seldom(clean())
    slowed = tuple(
        entry._replace(duration_us=20_900)
        if 4_000_000 < entry.time_us < 6_000_000 and entry.cluster == "c1"
        else entry
        for entry in evidence.gateway
    )

    assert diagnose(evidence) == ()
    (finding,) = diagnose(replace(evidence, gateway=slowed))
    assert finding.cause is Cause.NODE_SLOW
    assert finding.requests >= 40


def test_a_machine_that_hangs_makes_no_node_frozen():
    evidence = clean()
    late = {
        node: tuple(
            entry if not 500_000 < entry.time_us < 1_300_000 else entry._replace(time_us=1_300_000)
            for entry in entries
        )
        for node, entries in evidence.nodes.items()
    }
    waiting = tuple(
        entry._replace(duration_us=1_300_000 - entry.time_us)
        if 500_000 < entry.time_us < 1_300_000
        else entry
        for entry in evidence.gateway
    )

    assert diagnose(replace(evidence, nodes=late, gateway=waiting)) == ()


def test_an_expired_certificate_is_distinguished_from_an_untrusted_one():
    failure = (
        "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_"
    )
    for text, cause in (
        ("certificate_has_expired", Cause.EXPIRED_CERTIFICATE),
        ("unable_to_get_local_issuer_certificate", Cause.UNTRUSTED_SERVER),
    ):
        evidence = clean(reasons={("v1", "status:503"): 1})
        broken = gateway_line("r/0", "c1", status=503, flags="UF", failure=failure + text)
        nodes = {**evidence.nodes, "n1": evidence.nodes["n1"][1:]}

        found = diagnose(replace(evidence, gateway=(broken, *evidence.gateway[1:]), nodes=nodes))

        assert [finding.cause for finding in found] == [cause]


def test_a_sidecar_that_takes_nothing_for_long_stood_still():
    evidence = clean()
    frozen = {"since": 1_000_000, "by": 900_000}

    (finding,) = diagnose(
        replace(
            evidence,
            sidecar=later(evidence.sidecar, **frozen),
            gateway=later(evidence.gateway, **frozen),
            nodes={name: later(log, **frozen) for name, log in evidence.nodes.items()},
        )
    )

    assert (finding.cause, finding.since_us) == (Cause.SIDECAR_FROZEN, 995_000)


def test_a_gateway_that_takes_nothing_while_requests_wait_for_it_stood_still():
    """The sidecar takes its requests on time; what it took meanwhile ends when the gateway goes on."""
    evidence = clean()
    sidecar = tuple(
        entry._replace(duration_us=1_800_000 - entry.time_us)
        if 1_000_000 <= entry.time_us < 1_800_000
        else entry
        for entry in evidence.sidecar
    )
    gateway = tuple(
        entry._replace(time_us=1_800_000) if 1_000_000 <= entry.time_us < 1_800_000 else entry
        for entry in evidence.gateway
    )

    (finding,) = diagnose(replace(evidence, sidecar=sidecar, gateway=gateway))

    assert finding.cause is Cause.GATEWAY_FROZEN
    assert finding.requests >= 150


def test_a_right_answer_that_nothing_behind_the_sidecar_gave_is_a_ghost():
    evidence = clean()
    gone = "r/10"
    ledger = LedgerResult(level="full", books=(book("open", 1),), requests=SIZE)

    (finding,) = diagnose(
        replace(
            evidence,
            gateway=tuple(entry for entry in evidence.gateway if entry.id != gone),
            nodes={
                name: tuple(entry for entry in log if entry.id != gone)
                for name, log in evidence.nodes.items()
            },
            ledger=ledger,
        )
    )

    assert (finding.cause, finding.requests) == (Cause.GHOST, 1)


def test_answers_with_the_id_of_another_request_are_named_so():
    (finding,) = diagnose(clean(reasons={("v1", "wrong-id"): 3}))

    assert (finding.cause, finding.requests) == (Cause.OTHER_ID, 3)


ADDRESSES = {"10.0.0.1:443": "n1", "10.0.0.2:443": "n2"}


def test_a_cluster_that_leads_to_anothers_node_is_named_also_where_tls_refuses_it():
    """No node has a line of it: the gateway's own says where it went."""
    well = clean()
    failure = "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end"
    refused = [
        gateway_line(
            one.id, "c1", at=one.time_us, status=503, flags="UF", failure=failure, upstream="10.0.0.2:443"
        )
        for one in well.gateway
        if one.cluster == "c1"
    ]
    others = [one for one in well.gateway if one.cluster != "c1"]
    evidence = clean(
        gateway=(*refused, *others), nodes={**well.nodes, "n1": ()}, addresses=ADDRESSES, reasons={}
    )

    first, *_ = diagnose(evidence)

    assert (first.cause, first.instrument, first.requests) == (Cause.ENDPOINTS_SWAPPED, "access logs", 200)
    assert "n2" in first.detail
    assert "c1" in first.detail


def test_a_split_whose_parts_are_swapped_is_named_by_its_shares():
    well = clean()
    both = dict.fromkeys(well.wanted, ("n1", "n2"))
    kinds = dict.fromkeys(well.wanted, "api")
    weights = {"api": {("n1",): 0.9, ("n2",): 0.1}}

    (found,) = diagnose(clean(wanted=both, kinds=kinds, shares=weights))

    assert found.cause is Cause.OTHER_SHARES
    assert "answered 200 of 400 requests of api, of which 90.0 % were expected" in found.detail
    halves = {"api": {("n1",): 0.5, ("n2",): 0.5}}
    assert diagnose(clean(wanted=both, kinds=kinds, shares=halves)) == ()
