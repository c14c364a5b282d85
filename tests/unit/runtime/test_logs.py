"""The three logs of a service (manual §8.3, §9.8; CHECKLIST 456–476; W3C WD-logfile-960221)."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.runtime import logs as logs_module
from appliance.runtime.logs import Exchange, LogOptions, Logs, NoteHandler
from tests.support.processes import Worker
from tests.support.waiting import until

FIELDS = ("date", "time", "c-ip", "cs-method", "cs-uri-stem", "sc-status", "x-message-id")
RCPT = Exchange(
    kind="SMTP-IN",
    message_id="06BQ886W030KW6S1",
    port=25,
    remote="192.0.2.1",
    command="RCPT",
    details="TO:<alice@alpha.test>",
    response="250 2.1.5 Requested mail action okay, completed",
    sent=45,
    received=30,
    login="alice@alpha",
)


class Noon(datetime):
    """A calendar that a test turns."""

    at = datetime(2003, 6, 9, 23, 59, 59, tzinfo=UTC)

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return cls.at


@pytest.fixture
def turn_to(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Turn the calendar, which begins at 2003-06-09 23:59:59."""
    monkeypatch.setattr(logs_module, "datetime", Noon)

    def turn(*date: int) -> None:
        monkeypatch.setattr(Noon, "at", datetime(*date, tzinfo=UTC))  # type: ignore[arg-type, misc]

    turn(2003, 6, 9, 23, 59, 59)
    return turn


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Logs]:
    found = Logs(tmp_path, "SMTP")
    yield found
    found.close()


def folder(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "SMTP"


def lines(tmp_path: Path, pattern: str) -> list[str]:
    """Read a log's files, as a program would: lines end at line feeds and nowhere else."""
    found: list[str] = []
    for path in sorted(folder(tmp_path).glob(pattern)):
        found += path.read_bytes().decode().removesuffix("\n").split("\n")
    return found


# ── Activity ─────────────────────────────────────────────────────────────────────────────────────


def test_activity_line_has_the_ten_columns_a_to_j(logs: Logs, tmp_path: Path) -> None:
    # CHECKLIST 465–475
    logs.exchange(RCPT)
    logs.flush()
    (line,) = lines(tmp_path, "SMTP-Activity-*.log")
    columns = line.split("\t")
    assert re.fullmatch(r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d", columns[0])  # A
    assert columns[1:] == [
        "SMTP-IN",  # B
        "06BQ886W030KW6S1",  # C
        "25",  # D
        "192.0.2.1",  # E
        "RCPT",  # F
        "TO:<alice@alpha.test>",  # G
        "250 2.1.5 Requested mail action okay, completed",  # H
        "45",  # I
        "30",  # J
    ]


def test_lines_have_the_second_in_which_they_were_told(
    logs: Logs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [100.0, 100.9, 101.0, 101.2]
    for at in seconds:
        monkeypatch.setattr("appliance.runtime.logs.time.time", lambda at=at: at)
        logs.exchange(RCPT)
    logs.flush()
    found = [line.partition("\t")[0] for line in lines(tmp_path, "SMTP-Activity-*.log")]
    assert found == ["01/01/70 00:01:40"] * 2 + ["01/01/70 00:01:41"] * 2


def test_activity_file_is_named_by_service_and_day(
    logs: Logs, tmp_path: Path, turn_to: Callable[..., None]
) -> None:
    # CHECKLIST 463, 464: Logging\SMTP, SMTP-Activity-YYMMDD
    logs.exchange(RCPT)
    logs.flush()
    turn_to(2003, 6, 10)
    logs.exchange(RCPT)
    logs.note("info", "the next day")
    logs.flush()
    assert {path.name for path in folder(tmp_path).iterdir()} == {
        "SMTP-Activity-030609.log",
        "SMTP-Activity-030610.log",
        "SMTP-Debug-030610.log",
    }
    other = Logs(tmp_path, "POP")
    other.exchange(RCPT)
    other.close()
    assert [path.name for path in (tmp_path / "logs" / "POP").iterdir()] == [
        "POP-Activity-030610.log"
    ]


def test_empty_columns_stay_columns(logs: Logs, tmp_path: Path) -> None:
    logs.exchange(Exchange(kind="MTA"))
    logs.flush()
    (line,) = lines(tmp_path, "SMTP-Activity-*.log")
    assert line.split("\t")[1:] == ["MTA", "", "0", "", "", "", "", "0", "0"]


# ── Debug ────────────────────────────────────────────────────────────────────────────────────────


def test_debug_line_says_when_how_grave_of_which_message_by_which_rule_and_what(
    logs: Logs, tmp_path: Path
) -> None:
    # CHECKLIST 459, 462, 476: relay attempts with time stamp and reason; joined by the message id
    logs.note("warning", "It may not relay.", message_id="A1", reason={"rule": "relay.closed"})
    logs.note("info", "Ready.")
    logs.flush()
    first, second = (line.split("\t") for line in lines(tmp_path, "SMTP-Debug-*.log"))
    assert first[1:] == ["WARNING", "A1", "relay.closed", "It may not relay."]
    assert second[1:] == ["INFO", "-", "-", "Ready."]


def test_what_libraries_log_becomes_notes(logs: Logs, tmp_path: Path) -> None:
    logger = logging.getLogger("some.library")
    handler = NoteHandler(logs)
    logger.addHandler(handler)
    logger.info("too much detail")
    logger.warning("two\nlines of %s", "it")
    try:
        int("no number")
    except ValueError:
        logger.exception("it failed")
    logger.removeHandler(handler)
    logs.flush()
    warning, error = (line.split("\t") for line in lines(tmp_path, "SMTP-Debug-*.log"))
    assert warning[1:] == ["WARNING", "-", "-", "some.library: two.lines of it"]
    assert error[1] == "ERROR"
    assert "invalid literal for int()" in error[4]


# ── W3C ──────────────────────────────────────────────────────────────────────────────────────────


def test_w3c_log_begins_with_its_header_and_has_the_chosen_fields(
    logs: Logs, tmp_path: Path, turn_to: Callable[..., None]
) -> None:
    # CHECKLIST 257, 258
    logs.configure(LogOptions(w3c=True, w3c_fields=FIELDS))
    logs.exchange(RCPT)
    logs.exchange(Exchange(kind="SMTP-IN", command="NOOP"))
    logs.flush()
    assert lines(tmp_path, "ex*.log") == [
        "#Version: 1.0",
        "#Software: Posthouse",
        "#Date: 2003-06-09 23:59:59",
        f"#Fields: {' '.join(FIELDS)}",
        "2003-06-09 23:59:59 192.0.2.1 RCPT TO:<alice@alpha.test> 250 06BQ886W030KW6S1",
        "2003-06-09 23:59:59 - NOOP - - -",
    ]


def test_every_field_of_the_setting_can_be_written(logs: Logs, tmp_path: Path) -> None:
    from appliance.settings import log

    fields = log.w3c_fields.kind.parse(" ".join(log.w3c_fields.kind.allowed))  # type: ignore[attr-defined]
    logs.configure(LogOptions(w3c=True, w3c_fields=fields))
    logs.exchange(RCPT)
    logs.flush()
    *_, header, line = lines(tmp_path, "ex*.log")
    names = header.removeprefix("#Fields: ").split(" ")
    values = dict(zip(names, line.split(" "), strict=True))
    assert values["cs-username"] == "alice@alpha"
    assert values["s-port"] == "25"
    assert (values["sc-bytes"], values["cs-bytes"]) == ("45", "30")


def test_blanks_inside_a_w3c_field_become_plus_signs(logs: Logs, tmp_path: Path) -> None:
    logs.configure(LogOptions(w3c=True, w3c_fields=("cs-uri-stem", "cs-method")))
    logs.exchange(Exchange(kind="SMTP-IN", command="MAIL", details="FROM:<a@b.test> SIZE=5"))
    logs.flush()
    assert lines(tmp_path, "ex*.log")[-1] == "FROM:<a@b.test>+SIZE=5 MAIL"


def test_changed_fields_are_announced_before_the_next_line(logs: Logs, tmp_path: Path) -> None:
    logs.configure(LogOptions(w3c=True, w3c_fields=("cs-method", "c-ip")))
    logs.exchange(RCPT)
    logs.configure(LogOptions(w3c=True, w3c_fields=("c-ip",)))
    logs.exchange(RCPT)
    logs.flush()
    found = [line for line in lines(tmp_path, "ex*.log") if not line.startswith(("#V", "#S", "#D"))]
    assert found == ["#Fields: cs-method c-ip", "RCPT 192.0.2.1", "#Fields: c-ip", "192.0.2.1"]


def test_process_that_joins_a_file_announces_its_own_fields(tmp_path: Path) -> None:
    # a new process after a restart with other settings, on the same day
    for fields in (("cs-method",), ("c-ip",)):
        logs = Logs(tmp_path, "SMTP")
        logs.configure(LogOptions(w3c=True, w3c_fields=fields))
        logs.exchange(RCPT)
        logs.close()
    found = [line for line in lines(tmp_path, "ex*.log") if not line.startswith(("#V", "#S", "#D"))]
    assert found == ["#Fields: cs-method", "RCPT", "#Fields: c-ip", "192.0.2.1"]


@pytest.mark.parametrize(
    ("rollover", "names"),
    [
        ("hourly", ["ex03060923.log", "ex03061000.log", "ex03061001.log"]),
        ("daily", ["ex030609.log", "ex030610.log"]),
        ("monthly", ["ex0306.log"]),
        ("never", ["ex.log"]),
    ],
)
def test_w3c_file_is_renewed_as_set(
    logs: Logs, tmp_path: Path, turn_to: Callable[..., None], rollover: str, names: list[str]
) -> None:
    # CHECKLIST 258
    logs.configure(LogOptions(w3c=True, w3c_fields=FIELDS, w3c_rollover=rollover))
    for moment in ((2003, 6, 9, 23, 59), (2003, 6, 10, 0, 0), (2003, 6, 10, 1, 0)):
        turn_to(*moment)
        logs.exchange(RCPT)
        logs.flush()
    found = sorted(path.name for path in folder(tmp_path).glob("ex*"))
    assert found == names
    for name in names:
        assert lines(tmp_path, name)[0] == "#Version: 1.0"


# ── all three ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("activity", [True, False])
@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("w3c", [True, False])
def test_each_log_is_switched_on_and_off_by_itself(
    logs: Logs, tmp_path: Path, activity: bool, debug: bool, w3c: bool
) -> None:
    # CHECKLIST 257–260
    logs.configure(LogOptions(activity=activity, debug=debug, w3c=w3c, w3c_fields=FIELDS))
    logs.exchange(RCPT)
    logs.note("info", "a note")
    logs.flush()
    found = bool(lines(tmp_path, "*Activity*")), bool(lines(tmp_path, "*Debug*"))
    assert (*found, bool(lines(tmp_path, "ex*"))) == (activity, debug, w3c)


hostile = st.text(
    st.one_of(
        st.sampled_from("\t\n\r\0\x0b\x0c\x1b\x1c\x1d\x1e\x7f\x85\x9b\xa0\u2028\u2029\u3000 #+-"),
        st.characters(),
    ),
    max_size=30,
)


exchanges = st.builds(
    Exchange,
    kind=st.just("SMTP-IN"),
    message_id=hostile,
    remote=hostile,
    command=hostile,
    details=hostile,
    response=hostile,
    sent=st.integers(0, 10**12),
    login=hostile,
)


@given(exchanges)
def test_no_value_breaks_a_line_or_a_column(exchange: Exchange) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        logs = Logs(Path(name), "SMTP")
        fields = ("date", "c-ip", "cs-method", "cs-uri-stem", "x-message-id", "cs-username")
        logs.configure(LogOptions(w3c=True, w3c_fields=fields))
        logs.exchange(exchange)
        logs.note("info", exchange.details, message_id=exchange.message_id)
        logs.close()
        (activity,) = lines(Path(name), "*Activity*")
        assert len(activity.split("\t")) == 10
        (debug,) = lines(Path(name), "*Debug*")
        assert len(debug.split("\t")) == 5
        *_, header, line = lines(Path(name), "ex*")
        assert header.startswith("#Fields: ")
        assert len(line.split()) == len(fields)
        for text in (activity, debug, line):
            # nothing that another reader takes for a line's end, nor a terminal for a command
            assert text.replace("\t", " ").isprintable()
            assert len(text.splitlines()) == 1


@given(
    exchanges,
    st.lists(st.tuples(st.integers(0), st.integers(0), st.integers(0))),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_commands_told_together_make_the_lines_they_make_alone(
    exchange: Exchange,
    varying: list[tuple[int, int, int]],
    activity: bool,
    w3c: bool,
    is_verbose: bool,
) -> None:
    import tempfile

    options = LogOptions(
        activity=activity,
        w3c=w3c,
        w3c_fields=("c-ip", "cs-uri-stem", "sc-bytes"),
        verbose_until=time.time() + 600 if is_verbose else 0.0,
    )
    found = []
    for together in (True, False):
        with tempfile.TemporaryDirectory() as name:
            logs = Logs(Path(name), "SMTP")
            logs.configure(options)
            logs.exchange(exchange)
            if together:
                logs.alike(exchange, varying)
            else:
                for number, sent, received in varying:
                    one = exchange._replace(details=str(number), sent=sent, received=received)
                    logs.exchange(one)
            logs.close()
            rows = [line.split("\t") for line in lines(Path(name), "*.log")]
            found.append([row[1:] if len(row) > 1 else row for row in rows if row[0][:1] != "#"])
    assert found[0] == found[1]


def test_endless_value_is_cut(logs: Logs, tmp_path: Path) -> None:
    logs.exchange(Exchange(kind="SMTP-IN", command="MAIL", details="x" * 100_000))
    logs.flush()
    (line,) = lines(tmp_path, "*Activity*")
    assert len(line) < 1200


def test_lines_are_written_a_moment_later_by_themselves(logs: Logs, tmp_path: Path) -> None:
    logs.exchange(RCPT)
    until(lambda: lines(tmp_path, "*Activity*"), "the line in the file")
    assert len(lines(tmp_path, "*Activity*")) == 1


def test_block_is_written_at_once(logs: Logs, tmp_path: Path) -> None:
    for _ in range(130):
        logs.exchange(Exchange(kind="SMTP-IN", details="x" * 1000))
    assert len(lines(tmp_path, "*Activity*")) >= 60


def test_log_that_cannot_be_written_stops_neither_mail_nor_the_other_logs(
    logs: Logs, tmp_path: Path, capsys: pytest.CaptureFixture[str], turn_to: Callable[..., None]
) -> None:
    (folder(tmp_path) / "SMTP-Activity-030609.log").mkdir(parents=True)
    for _ in range(3):
        logs.exchange(RCPT)
        logs.note("info", "a note")
        logs.flush()
    assert len(lines(tmp_path, "*Debug*")) == 3
    assert capsys.readouterr().err.count("the logs can't be written") == 1
    turn_to(2003, 6, 10)
    logs.exchange(RCPT)
    logs.flush()
    assert len(lines(tmp_path, "SMTP-Activity-030610.log")) == 4  # with those that had to wait


def test_of_lines_that_have_to_wait_for_their_file_a_bounded_number_is_kept(
    logs: Logs, tmp_path: Path, turn_to: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs_module, "_KEPT_OCTETS", 500)
    (folder(tmp_path) / "SMTP-Activity-030609.log").mkdir(parents=True)
    for _ in range(100):
        logs.exchange(RCPT)
        logs.flush()
    turn_to(2003, 6, 10)
    logs.flush()
    kept = lines(tmp_path, "SMTP-Activity-030610.log")
    assert 1 < len(kept) < 20


def test_several_processes_share_a_file_without_mixing_lines(tmp_path: Path) -> None:
    arguments = {"home": str(tmp_path), "count": 300}
    with (
        Worker("log", name="one", **arguments) as one,
        Worker("log", name="other", **arguments) as other,
    ):
        for each in (one, other):
            assert each.hear() == "ready"
        for each in (one, other):
            each.go_on()
        for each in (one, other):
            each.end()
    found = [line.split("\t")[6] for line in lines(tmp_path, "*Activity*")]
    expected = [
        f"{name} {number} " + "x" * 300 for name in ("one", "other") for number in range(300)
    ]
    assert sorted(found) == sorted(expected)


def test_notes_go_to_the_journal_as_json_under_systemd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    logs = Logs(tmp_path, "SMTP")
    logs.note("warning", "two\nlines", message_id="A1", reason={"rule": "relay.closed"})
    logs.close()
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert json.loads(told) == {
        "service": "SMTP",
        "level": "warning",
        "text": "two\nlines",
        "message_id": "A1",
        "reason": {"rule": "relay.closed"},
    }


# ── verbose ──────────────────────────────────────────────────────────────────────────────────────

REASON = {
    "rule": "relay.closed",
    "outcome": "reject",
    "text": "No relaying.",
    "setting": "relay.enabled",
    "inputs": {"client": "192.0.2.1"},
}


def debug_lines(tmp_path: Path) -> list[list[str]]:
    return [line.split("\t")[1:] for line in lines(tmp_path, "*Debug*")]


def verbose(seconds: float, *, debug: bool = True) -> LogOptions:
    return LogOptions(debug=debug, verbose_until=time.time() + seconds)


@pytest.mark.parametrize("debug", [True, False])
def test_a_verbose_log_has_both_ways_of_an_exchange_whatever_its_switch(
    logs: Logs, tmp_path: Path, debug: bool
) -> None:  # CHECKLIST 453-455
    logs.configure(verbose(60, debug=debug))
    logs.exchange(RCPT)
    logs.note("info", "a note")
    logs.flush()
    who = "SMTP-IN 192.0.2.1 port 25 as alice@alpha"
    answer = "250 2.1.5 Requested mail action okay, completed"
    assert debug_lines(tmp_path) == [
        ["VERBOSE", RCPT.message_id, "-", f"{who} C: RCPT TO:<alice@alpha.test> [30 octets]"],
        ["VERBOSE", RCPT.message_id, "-", f"{who} S: {answer} [45 octets]"],
        ["INFO", "-", "-", "a note"],
    ]


def test_where_we_are_the_client_its_octets_are_those_we_sent(logs: Logs, tmp_path: Path) -> None:
    logs.configure(verbose(60))
    logs.exchange(RCPT._replace(kind="SMTP-OU"))
    logs.exchange(Exchange("MTA", command="ROUTE", details="x", response="routed"))
    logs.flush()
    client, server, step = (columns[-1] for columns in debug_lines(tmp_path))
    assert client.endswith("[45 octets]")
    assert server.endswith("[30 octets]")
    assert step == "ROUTE x: routed"


def test_a_verbose_log_says_what_a_decision_was_made_of(logs: Logs, tmp_path: Path) -> None:
    logs.configure(verbose(60))
    logs.note("info", "No relaying.", message_id="ID", reason=REASON)
    logs.detail("looked at", reason=REASON, started=time.perf_counter())
    logs.flush()
    facts = "outcome: reject; setting: relay.enabled; client: 192.0.2.1"
    note, of_note, detail, of_detail = debug_lines(tmp_path)
    assert note == ["INFO", "ID", "relay.closed", "No relaying."]
    assert of_note == ["VERBOSE", "ID", "relay.closed", facts]
    assert re.fullmatch(r"looked at \(\d+\.\d ms\)", detail[-1])
    assert of_detail == ["VERBOSE", "-", "relay.closed", facts]


@pytest.mark.parametrize("seconds", [-1, 2 * 86_400])  # over; and no mistake of a clock lasts
def test_a_moment_that_is_over_or_too_far_away_makes_nothing_verbose(
    logs: Logs, tmp_path: Path, seconds: float
) -> None:
    logs.configure(verbose(seconds))
    assert not logs.is_verbose
    logs.exchange(RCPT)
    logs.detail("a detail", reason=REASON)
    logs.note("info", "a note", reason=REASON)
    logs.flush()
    assert debug_lines(tmp_path) == [["INFO", "-", "relay.closed", "a note"]]


def test_being_verbose_ends_by_itself(
    logs: Logs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure(verbose(60))
    logs.detail("before")
    later = time.time() + 61
    monkeypatch.setattr("appliance.runtime.logs.time.time", lambda: later)
    logs.detail("after")
    logs.exchange(RCPT)
    logs.flush()
    assert [columns[-1] for columns in debug_lines(tmp_path)] == ["before"]


@given(exchanges)
def test_no_value_breaks_a_line_of_a_verbose_log(exchange: Exchange) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        logs = Logs(Path(name), "SMTP")
        logs.configure(verbose(60))
        logs.exchange(exchange)
        logs.detail(exchange.details, reason={"rule": "x", "inputs": {"it": exchange.response}})
        logs.close()
        assert {len(columns) for columns in debug_lines(Path(name))} == {4}
