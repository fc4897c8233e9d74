"""Istio's own acceptance rules, as the API server and istiod's webhook apply them."""
