"""Which traffic policy holds for one port of one subset."""

from __future__ import annotations

from bench.istio.models import DestinationRule, Subset, TrafficPolicy


def port_policy(policy: TrafficPolicy | None, port: int) -> tuple[TrafficPolicy | None, bool]:
    """Give the policy that holds for *port*, and whether it is a setting of that port's own.

    A port's own setting replaces the whole policy: what it leaves out falls back to the defaults, not to the
    level above (istio ``GetPortLevelTrafficPolicy``).
    """
    if policy is None:
        return None, False
    for setting in policy.port_level_settings:
        if setting.port is not None and setting.port.number == port:
            return TrafficPolicy.model_construct(
                load_balancer=setting.load_balancer,
                connection_pool=setting.connection_pool,
                outlier_detection=setting.outlier_detection,
                tls=setting.tls,
            ), True
    return policy, False


def subset_policy(rule: DestinationRule | None, subset: Subset | None, port: int) -> TrafficPolicy | None:
    """Give the policy of *subset* (None: of the whole service) on *port*.

    A subset's own blocks replace the rule's, block by block; its own setting for the port replaces all four
    blocks, also by nothing (istio ``MergeSubsetTrafficPolicy``).
    """
    top, _ = port_policy(rule.traffic_policy if rule is not None else None, port)
    if subset is None or subset.traffic_policy is None:
        return top
    own, has_port_setting = port_policy(subset.traffic_policy, port)
    if top is None or own is None:
        return own
    blocks = {
        block: getattr(own, block)
        for block in ("load_balancer", "connection_pool", "outlier_detection", "tls")
        if has_port_setting or getattr(own, block) is not None
    }
    further = {
        block: getattr(own, block)
        for block in ("tunnel", "proxy_protocol", "retry_budget")
        if getattr(own, block) is not None
    }
    return top.model_copy(update={**blocks, **further, "port_level_settings": ()})
