"""Models behind HTTP servers: the clients, rate limits, proxies and redaction of keys."""
