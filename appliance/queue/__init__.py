"""The durable queue that connects everything that moves mail."""
