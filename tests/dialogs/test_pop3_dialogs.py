"""The POP3 scripts against the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialogs.pop3_engine import EngineTransport
from tests.dialogs.runner import load, play

SCRIPTS = sorted((Path(__file__).parent / "pop3").glob("*.dlg"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_pop3_server_holds_the_dialogue(path: Path) -> None:
    script = load(path)
    play(script, EngineTransport(script.header))


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 15


def test_only_a_session_that_quits_deletes() -> None:  # RFC 1939 §6
    transport = EngineTransport({"password": "correct horse"})
    transport.send(b"USER alice@demo\r\nPASS correct horse\r\nDELE 1\r\n")
    assert not transport.deleted
    transport.send(b"QUIT\r\n")
    assert transport.deleted == (1,)
