"""Backups: a consistent copy of everything in a home, its verification, and the way back.

docs/backup.md describes the folder, ADR 9 the order in which it is written.
"""
