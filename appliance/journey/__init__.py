"""What happened to a message, and why: the words everything else explains itself in."""
