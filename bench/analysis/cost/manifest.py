"""Kubernetes YAML that a plan comes to: resources of the gateway's pods and their autoscaler."""

from __future__ import annotations

import math


def manifest(cpu_per_pod: float, *, least: int, target_percent: int, memory_bytes: int | None = None) -> str:
    """Text to be pasted: a patch of the Deployment's container, and a HorizontalPodAutoscaler.

    Args:
        cpu_per_pod: CPUs that a pod requests and is held to.
        least: replicas without load.
        target_percent: average CPU of the pods, in per cent of their request, to scale at.
        memory_bytes: that a pod requests and is held to; None: nothing is said of it.
    """
    cpu = f"{max(1, round(cpu_per_pod * 1000))}m"
    memory = "" if memory_bytes is None else f"\n    memory: {_quantity(memory_bytes)}"
    return f"""\
# Resources of the container istio-proxy in Deployment istio-egressgateway. Request and limit are equal: the
# plan assumes CPU that nothing else takes. Envoy runs with --concurrency {max(1, math.ceil(cpu_per_pod))}.
resources:
  requests:
    cpu: {cpu}{memory}
  limits:
    cpu: {cpu}{memory}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: istio-egressgateway
  namespace: istio-system
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: istio-egressgateway
  minReplicas: {least}
  maxReplicas: {2 * least}
  metrics:
  - type: Resource
    resource:
      name: cpu
      target:
        type: Utilization
        averageUtilization: {target_percent}
"""


def _quantity(size: int) -> str:
    """A size as Kubernetes reads it, in whole MiB where it is some."""
    mebibytes, rest = divmod(size, 1 << 20)
    return f"{mebibytes}Mi" if mebibytes and not rest else str(size)
