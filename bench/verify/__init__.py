"""Single calls before any load: walkthrough, request matrix, controls of mutual TLS."""
