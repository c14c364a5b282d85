"""Sans-IO protocol engines: bytes in, events and bytes out.

Standards: named by each module.
Owns: the error of a caller who is out of turn; each engine owns one connection's state.
Never: sockets, threads, files, clocks, or policy about who may send what.
Failure: what a peer gets wrong is answered; `LocalProtocolError` is a defect of ours.
"""

from __future__ import annotations

__all__ = ["LocalProtocolError"]


class LocalProtocolError(RuntimeError):
    """The caller used an engine out of turn: a defect of this program, never of the peer."""
