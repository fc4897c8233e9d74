"""The Locust side of a load: coordinator, participants, and the process that ties them together."""
