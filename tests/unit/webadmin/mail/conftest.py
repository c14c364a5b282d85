"""Webmail in the test's own process, and somebody signed in to a mailbox that no other test has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.operations.house import House, read_config
from tests.support.town import Town
from tests.support.webmail import Post, Reader
from tests.support.webtest import web
from tests.support.writing import Writer


@pytest.fixture(scope="session")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    """A house with two post offices, and the web on it."""
    house = House(read_config(tmp_path_factory.mktemp("webmail") / "home"))
    town = Town(house)
    house.live.refresh()
    with web(house) as app:
        yield Post(house, town, app)
    house.close()


@pytest.fixture
def reader(post: Post) -> Reader:
    """Somebody signed in to webmail."""
    return Reader(post)


@pytest.fixture
def writer(reader: Reader, post: Post) -> Writer:
    """Somebody signed in to webmail, who writes."""
    return Writer(reader, post.house)
