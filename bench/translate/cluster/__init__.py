"""Clusters: endpoints, load balancing, connection pools, and TLS towards a service."""
