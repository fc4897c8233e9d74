"""Istio and Kubernetes resources: models, loader with file:line errors, registry."""
