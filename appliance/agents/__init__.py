"""Agents: what works on the queue and on what is kept, without clients of its own."""
