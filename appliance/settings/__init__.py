"""The catalogue of every setting: its name, type, default, help and effect, each said once.

Import a section and read a snapshot by the setting itself: `snapshot[smtp.max_recipients]`.
"""
