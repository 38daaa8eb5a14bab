"""Models behind servers: the HTTP clients and what they share."""
