"""A program that uses the API."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse


class Program:
    """A client of the API."""

    def __init__(self, client: FlaskClient, secret: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def __call__(self, method: str, path: str, **options: Any) -> TestResponse:  # noqa: ANN401 - the test client's options
        return self._client.open(
            f"/api/v1{path}",
            method=method,
            base_url="https://mail.test",
            headers=self._headers,
            **options,
        )

    def get(self, path: str, **query: object) -> Any:  # noqa: ANN401 - any JSON
        """Ask, and return what the answer holds."""
        answer = self("GET", path, query_string=query)
        assert (answer.status_code, answer.content_type) == (200, "application/json")
        return answer.get_json()


def body(answer: TestResponse) -> Any:  # noqa: ANN401 - any JSON
    return answer.get_json()
