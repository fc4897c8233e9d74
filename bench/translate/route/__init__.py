"""Routes: conditions, actions, and what a route changes of a request."""
