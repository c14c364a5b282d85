from __future__ import annotations

from werkzeug.test import TestResponse

from appliance.operations.sessions import ListSessions
from appliance.runtime.clock import MICROSECONDS
from appliance.store.message import Flag
from tests.support.webmail import Post, Reader


def _ask(reader: Reader, next_uid: int, tag: str = "") -> TestResponse:
    path = f"/webmail/news?folder={reader.id()}&next={next_uid}"
    return reader.get(path, into="fresh", **({"If-None-Match": tag} if tag else {}))


def test_while_nothing_changes_the_answer_is_304(reader: Reader) -> None:
    # RFC 9110 §13.1.2
    reader.file()
    first = _ask(reader, 2)
    assert first.status_code == 200
    assert "new message" not in first.text
    again = _ask(reader, 2, first.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")


def test_new_messages_are_counted_and_offered(reader: Reader) -> None:
    tag = _ask(reader, 1).headers["ETag"]
    for _ in range(2):
        reader.file()
    reader.file(flags=Flag.SEEN)
    answer = _ask(reader, 1, tag)
    assert answer.status_code == 200
    assert ">2 new messages</a>" in answer.text
    assert ">2 unread of 3<" in answer.text


def test_a_change_of_any_folder_is_news(reader: Reader) -> None:
    tag = _ask(reader, 1).headers["ETag"]
    reader.box.create_folder("Exhibitions")
    answer = _ask(reader, 1, tag)
    assert answer.status_code == 200
    assert "Exhibitions" in answer.text


def test_a_page_that_shows_no_folder_gets_404(reader: Reader) -> None:
    assert reader.get("/webmail/news?folder=x", into="fresh").status_code == 404
    assert reader.get("/webmail/news", into="fresh").status_code == 404


def test_a_page_that_asks_by_itself_keeps_no_session_from_being_idle(
    post: Post, reader: Reader
) -> None:
    def last_used() -> int:
        (session,) = post.town.ask(ListSessions(login=reader.login))
        return session.seen_at

    (session,) = post.town.ask(ListSessions(login=reader.login))
    long_ago = session.seen_at - 600 * MICROSECONDS
    post.house.sessions.touch(session.id, long_ago)
    assert _ask(reader, 1).status_code == 200
    assert last_used() == long_ago
    reader.page("/webmail/")
    assert last_used() > long_ago
