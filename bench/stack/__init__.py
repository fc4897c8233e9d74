"""Where Envoy and nginx run: local processes, Docker Compose, or a fake, behind one Protocol."""
