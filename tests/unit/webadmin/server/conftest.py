"""Words need a language and a time zone: both come with an application."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask_babel import Babel


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Speak English, in UTC."""
    app = Flask(__name__)
    Babel(app, default_locale="en", default_timezone="UTC")
    with app.test_request_context():
        yield
