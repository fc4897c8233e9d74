"""Arrival schedule, connections, HTTP/1.1 exchange, recorder, and the Locust side of all that."""
