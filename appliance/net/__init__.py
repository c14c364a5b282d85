"""The network: resolver, listeners, TLS."""
