"""What a gateway gets: servers merged by port, their listeners and routes."""
