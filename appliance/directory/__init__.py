"""Who exists: post offices, domains, mailboxes, addresses, operators, and the settings' values."""
