"""HTTPMail: a mailbox read and filed over WebDAV, as Outlook Express and its kin did."""
