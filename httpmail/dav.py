"""What of WebDAV is WsgiDAV's work: conditions, and locks.

Its own dispatch, PROPFIND, PROPPATCH, COPY and MOVE are not used: they know none of the methods
that HTTPMail adds, write another form than mail clients read, and copy octets where the store moves
rows.

Standards: RFC 4918 §6, §7, §9.10, §9.11, §10.4. Owns: nothing.
Failure: `Refused`, WsgiDAV's `DAVError`.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from wsgidav.request_server import RequestServer
from wsgidav.util import parse_if_header_dict

from httpmail import xml_in
from httpmail.answer import Answer
from httpmail.refusal import Refused
from httpmail.tree import MailFolder, Reserved, Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from httpmail.visit import Visit

_MAX_LOCK = 8 << 10  # octets of a LOCK's body


class Dav(RequestServer):  # type: ignore[misc] # WsgiDAV ships no types
    """WsgiDAV's server of one request."""

    def check_conditions(self, visit: Visit, resource: Resource | None) -> None:
        """Refuse when the request's conditions do not hold for a resource."""
        self._evaluate_if_headers(resource, visit.dav_environ)

    def check_lock(self, visit: Visit, resource: Resource | None, depth: str) -> None:
        """Refuse when a resource is locked and the lock's token was not given."""
        self._check_write_permission(resource, depth, visit.dav_environ)

    def lock(self, visit: Visit) -> Answer:
        """Lock a resource, or let a lock last longer."""
        request = visit.request
        body = request.octets(_MAX_LOCK)
        resource = visit.find(request.path)
        if body.strip():
            xml_in.parse(body)  # WsgiDAV's own parser has no limits
        else:
            self._drop_lost_lock(visit)
        if resource is not None:
            return self._carry_out(visit, self.do_LOCK, body)
        parent, name = visit.parent(request.path)
        if not isinstance(parent, MailFolder):
            raise Refused(409, "Only folders hold what can be locked")
        self.check_lock(visit, parent, "0")
        try:
            return self._carry_out(visit, self.do_LOCK, body)
        except BaseException:
            if isinstance(visit.find(request.path), Reserved):  # nobody has got its lock
                visit.given.forget(parent.folder.id, name)
            raise

    def unlock(self, visit: Visit) -> Answer:
        """Release a lock."""
        return self._carry_out(visit, self.do_UNLOCK, b"")

    def _drop_lost_lock(self, visit: Visit) -> None:
        """Drop a lock that is to be refreshed when what it was on is gone."""
        locks = self._davProvider.lock_manager
        parse_if_header_dict(visit.dav_environ)
        for token in visit.dav_environ["wsgidav.ifLockTokenList"]:
            lock = locks.get_lock(token)
            if lock and visit.find(self._davProvider.ref_url_to_path(lock["root"])) is None:
                locks.release(token)

    def _carry_out(self, visit: Visit, method: Callable[..., list[bytes]], body: bytes) -> Answer:
        environ = visit.dav_environ
        environ.update({"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))})
        depth = visit.request.depth
        if depth is None:
            environ.pop("HTTP_DEPTH", None)
        else:
            environ["HTTP_DEPTH"] = depth
        begun: list[tuple[str, list[tuple[str, str]]]] = []
        octets = b"".join(method(environ, lambda *line: begun.append((line[0], line[1]))))
        status, headers = begun[0]
        kept = [(name, value) for name, value in headers if name == "Lock-Token"]
        if octets:
            kept.append(("Content-Type", "application/xml; charset=utf-8"))
        return Answer(int(status[:3]), "", kept, (octets,), len(octets))
