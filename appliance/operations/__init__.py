"""Every change and every question, typed: what the CLI, the web, the API and daemons call."""
