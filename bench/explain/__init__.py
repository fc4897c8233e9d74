"""What will happen to a request, and why: read from the translated configuration of every proxy."""
