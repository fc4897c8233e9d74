"""Listeners: filter chains, network filters, and TLS that a proxy ends."""
