"""What is new, for a page that is open: folders' counts, and how many messages came since.

The page asks now and then while somebody looks at it; while nothing has changed the answer is 304.
Standards: RFC 9110 §13.1.2 (If-None-Match).
"""

from __future__ import annotations

import hashlib

from flask import Response, make_response, render_template, request

from appliance.store.message import Flag, Folder
from webadmin.mail.choice import marks
from webadmin.mail.mailbox import folders, mailbox
from webadmin.rooms import by_itself

_MOST = 100  # new messages that are counted; beyond that it says 100


@by_itself
def news() -> Response:
    """Say what has changed since a list was read.

    The query names the folder that is shown, and its `next_uid` when it was read as `next`.
    """
    found = folders()
    folder = mailbox().folder(request.args.get("folder", 0, int))
    seen = request.args.get("next", folder.next_uid, int)
    tag = _tag(found, folder.id, seen)
    if tag in request.if_none_match:
        response = Response(status=304)
    else:
        fresh = _fresh(folder, seen)
        response = make_response(
            render_template("mail/news.html", all_folders=found, folder=folder, fresh=fresh)
        )
    response.set_etag(tag)
    return response


def _tag(found: list[Folder], folder_id: int, seen: int) -> str:
    state = [(each.id, each.modseq, each.name) for each in found]
    return hashlib.sha256(repr((state, folder_id, seen)).encode()).hexdigest()[:32]


def _fresh(folder: Folder, seen: int) -> int:
    """Count the unread messages that came since."""
    count = 0
    for _uid, flags in marks(folder, after=seen - 1):
        count += not flags & Flag.SEEN
        if count == _MOST:
            break
    return count
