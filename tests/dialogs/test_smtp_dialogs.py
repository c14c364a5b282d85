"""The SMTP scripts against the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialogs.runner import Mismatch, load, play
from tests.dialogs.smtp_engine import EngineTransport

SCRIPTS = sorted((Path(__file__).parent / "smtp").glob("*.dlg"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_smtp_server_holds_the_dialogue(path: Path) -> None:
    script = load(path)
    play(script, EngineTransport(script.header))


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 20


def test_runner_names_script_and_line_of_a_mismatch(tmp_path: Path) -> None:
    path = tmp_path / "wrong.dlg"
    path.write_text("\nS: 220 …\nC: NOOP\nS: 250 2.0.0 Fine\nE: closed\n", encoding="utf-8")
    with pytest.raises(Mismatch, match=r"wrong\.dlg:4: wanted '250 2\.0\.0 Fine'"):
        play(load(path), EngineTransport({}))


def test_runner_refuses_a_script_with_an_open_end(tmp_path: Path) -> None:
    path = tmp_path / "open.dlg"
    path.write_text("\nS: 220 …\n", encoding="utf-8")
    with pytest.raises(ValueError, match="ends with E: closed"):
        load(path)


def test_messages_accepted_in_a_dialogue_are_unstuffed_and_whole() -> None:
    script = load(Path(__file__).parent / "smtp" / "dot_stuffing.dlg")
    transport = EngineTransport(script.header)
    play(script, transport)
    assert [content for _, content in transport.accepted] == [
        b"Subject: dots\r\n\r\n.\r\n..\r\n.leading\r\nin. the .middle\r\n",
        b"",
    ]


@pytest.mark.parametrize("name", ["smuggling_bare_lf", "smuggling_bare_cr", "smuggling_nul"])
def test_no_message_comes_out_of_a_smuggling_dialogue(name: str) -> None:
    # RFC 5321 §2.3.8, §4.1.1.4: only CRLF "." CRLF ends the content
    script = load(Path(__file__).parent / "smtp" / f"{name}.dlg")
    transport = EngineTransport(script.header)
    play(script, transport)
    assert transport.accepted == []
