from __future__ import annotations

import pytest
from flask import Flask, flash, session

from webadmin.toasts import Toast, keep, toast, waiting

_HTMX = {"HX-Request": "true"}


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "for the cookie"
    app.add_url_rule("/undo", "undo", lambda: "")
    return app


def test_within_a_part_of_a_page_it_is_said_at_once_and_once(app: Flask) -> None:
    with app.test_request_context(headers=_HTMX):
        toast("Moved", undo=("undo", {"uids": "1-3"}))
        assert waiting() == [Toast("Moved", "/undo", {"uids": "1-3"})]
        assert waiting() == []
        assert "_flashes" not in session


def test_otherwise_it_waits_in_the_cookie_for_the_next_page(app: Flask) -> None:
    with app.test_request_context():
        toast("Moved", undo=("undo", {"uids": "1-3"}))
        assert "_flashes" in session
        assert waiting() == [Toast("Moved", "/undo", {"uids": "1-3"})]


def test_a_part_that_leads_to_a_page_keeps_it_for_that(app: Flask) -> None:
    with app.test_request_context(headers=_HTMX):
        toast("Moved")
        keep()
        assert len(session["_flashes"]) == 1
        assert waiting() == [Toast("Moved")]


def test_what_does_not_fit_into_a_cookie_is_said_without_its_way_back(app: Flask) -> None:
    with app.test_request_context():
        toast("Moved", undo=("undo", {"uids": "1," * 2000}))
        assert waiting() == [Toast("Moved")]


def test_a_plain_flash_is_a_toast(app: Flask) -> None:
    with app.test_request_context():
        flash("Your password is changed.")
        assert waiting() == [Toast("Your password is changed.")]
