"""The store: mailboxes' folders and messages, with contents kept once a post office."""
