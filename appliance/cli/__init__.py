"""The `posthouse` command, one module per noun."""
