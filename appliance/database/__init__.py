"""Engines, the writer and migrations: SQLite and PostgreSQL behind one interface."""
