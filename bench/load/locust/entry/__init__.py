"""What Locust is given with ``-f``; alone in its folder, because Locust puts that folder on ``sys.path``."""
