"""Services that readers connect to."""
