"""What takes mail in, delivers it and sends it out: the manual's connectors SMTP, SF and LS."""
