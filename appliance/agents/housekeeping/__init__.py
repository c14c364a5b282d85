"""Housekeeping: carrying out what others leave to be tidied."""
