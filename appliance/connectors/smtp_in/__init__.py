"""SMTP in: receiving mail from servers and clients."""
