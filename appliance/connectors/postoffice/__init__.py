"""The post office connector (SF): from the queue into mailboxes."""
