"""Keeping the house: what is done to a home rather than in it."""
