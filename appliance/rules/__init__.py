"""Pure decisions, each with its reason: facts in, a Reason out; no IO, no clock."""
