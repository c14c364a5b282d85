"""Mail as pure values: addresses, envelopes, replies, statuses, headers, reports, parts, letters.

Standards: each module names its own.
Owns: nothing; every value is frozen.
Never: files, sockets, clocks, databases; time is handed in.
Failure: each module has one error, a ValueError that says what would be right.
"""
