"""What explanations say of rules and clusters, with the words of each case: second halves of sentences."""

from __future__ import annotations

from enum import unique

from bench.message import Case


@unique
class FateCase(Case):
    """What becomes of a rule at a proxy."""

    IN_FORCE = "it is in force"
    OTHER_CASE = (
        "its host {written} is not written like {host}, and istiod compares by case",
        "Write host: {host}.",
    )
    ELSEWHERE = (
        "it is in the namespace {namespace}, and {proxy} looks in {places:listed} only",
        "Move it to the namespace {places:or}.",
    )
    SELECTS_OTHERS = (
        "its workloadSelector selects workloads of {namespace} with {labels}, and {proxy} is not one",
        "Write a rule without workloadSelector for {proxy}, or give it these labels.",
    )
    NOT_EXPORTED = (
        "it is exported to {exports:listed} only, and {proxy} is in {namespace}",
        "Add {namespace} to exportTo.",
    )
    MERGED_AWAY = (
        "istiod merges it into a rule with a workloadSelector, which holds for other workloads",
        "Give the two rules different exportTo, or repeat in one what the other says.",
    )
    COMES_SECOND = (
        "{winner} ({place}) comes first and is the only one that counts",
        "Write both into one DestinationRule.",
    )


@unique
class MissingCase(Case):
    """Why a proxy has no such cluster."""

    NEEDS_INTERCEPTION = (
        "only a proxy with interception knows where the client wanted to go",
        "Set interception to redirect, or outbound to REGISTRY_ONLY.",
    )
    UNDECLARED = (
        "no Service and no ServiceEntry has the host {host}",
        "Declare the host in a ServiceEntry.",
    )
    NOT_EXPORTED = (
        "{host} is not exported to the namespace {namespace} of {proxy}",
        "Add {namespace} to exportTo of {owner} ({place}).",
    )
    NO_ENDPOINT = (
        "the service has no endpoint, and a cluster by DNS is not made without one",
        "Name endpoints of the service.",
    )
    NO_PORT = (
        "for {proxy}, {host} has {ports}",
        "Use a port that it has, or add {port} to it.",
    )
    PORT_REPLACED = (
        (
            "for {proxy}, {host} has {ports}; {other} ({place}) has it, but a Kubernetes Service of the same "
            "host takes its place"
        ),
        "Give the ServiceEntry a host of its own, or remove the Service.",
    )
    ONE_PORT = "port {has}, not {port}"
    MORE_PORTS = "the ports {has}, not {port}"
    WITHOUT_PORT = "no port {port}"
    SUBSET_UNDEFINED = (
        "for {proxy}, {host} {subsets}: no DestinationRule defines it",
        "Define the subset {subset} in a DestinationRule.",
    )
    SUBSET_WITHOUT_EFFECT = (
        "for {proxy}, {host} {subsets}: {rule} ({place}) defines it, without effect",
        "Define it once.",
    )
    SUBSET_OUT_OF_FORCE = (
        "for {proxy}, {host} {subsets}: {rule} ({place}) defines it, but {fate}",
        "{fate.remedy}",
    )
    OTHER_SUBSETS = "has the subsets {has}, not {subset}"
    NO_SUBSETS = "has no subsets, not {subset}"
