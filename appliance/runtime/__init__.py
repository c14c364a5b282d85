"""Process life, logs, metrics and the clock: what every daemon stands on."""
