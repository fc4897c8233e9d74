"""Running a load from outside: Locust processes are launched, listened to, and what they report is merged."""
