"""The Locust side of a load: coordinator, participants, and the process that ties them together.

Only this room may import gevent or Locust: importing Locust patches the whole process.
"""
