"""The load engine of one worker: schedule, connections, HTTP/1.1 recorder. Knows nothing of Locust."""
