"""The SMTP connector's sending side: from the queue to other servers."""
