"""Errors as answers: a status and a reason that fits the status line (RFC 9112 §4)."""

from __future__ import annotations

import errno

import pytest
from wsgidav.dav_error import DAVError

from appliance.database.errors import StoreBusy
from appliance.store import errors
from httpmail import refusal
from httpmail.refusal import Refused


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.FolderNotFound, 404),
        (errors.FolderExists, 412),
        (errors.FolderProtected, 403),
        (errors.BadFolderName, 403),
        (errors.TooManyFolders, 507),
        (errors.BadCursor, 409),
    ],
)
def test_what_the_store_refuses_has_a_status(error: type[errors.StoreError], status: int) -> None:
    found = refusal.of_store(error("because"))
    assert (found.value, found.text) == (status, "because")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreBusy("locked"), 503),
        (OSError(errno.EIO, "broken"), 503),
        (OSError(errno.ENOSPC, "full"), 507),
    ],
)
def test_a_failure_is_temporary(error: Exception, status: int) -> None:
    assert isinstance(error, StoreBusy | OSError)
    found = refusal.of_failure(error)
    assert found.value == status
    assert "try again later" in str(found)


def test_a_reason_is_one_line_of_ascii() -> None:
    phrase = refusal.phrase(Refused(403, "é\r\nSet-Cookie: x\0" + "x" * 500))
    assert phrase.startswith("???Set-Cookie: x?")
    assert len(phrase) == 150


def test_wsgidavs_errors_have_the_usual_phrase() -> None:
    assert refusal.phrase(DAVError(404, "/a/path")) == "Not Found"
    assert refusal.phrase(Refused(404)) == "Not Found"
