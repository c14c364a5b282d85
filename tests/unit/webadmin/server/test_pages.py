from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask import Flask
from werkzeug.test import TestResponse

from appliance.database.content import Content
from appliance.operations.badmail import ListBadMail
from appliance.operations.domains import ListDomains
from appliance.operations.house import Config, House
from appliance.operations.mailboxes import ShowMailbox
from appliance.operations.operators import CreateOperator, ListOperators
from appliance.operations.postoffices import ListPostOffices
from appliance.operations.queue import HoldMessage, ListQueue
from appliance.operations.records import ListRevisions
from appliance.operations.settings import ChangeSetting, GetSetting
from appliance.operations.tokens import ListTokens
from appliance.queue import badmail
from appliance.queue.badmail import BadMail
from tests.support.town import PASSWORD, Town, submit
from tests.support.webtest import Visitor, sign_in, web

_LOST = "01K3Z8Q4T9XW2M7B"


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("appliance.directory.passwords._HASHER", quick)
    house = House(Config(tmp_path, "", tmp_path / "config/key", "node1"))
    town = Town(house)
    town.do(CreateOperator(operator="anna", password=PASSWORD))
    yield town
    house.close()


@pytest.fixture
def app(town: Town) -> Iterator[Flask]:
    with web(town.house) as app:
        yield app


@pytest.fixture
def anna(app: Flask) -> Visitor:
    return sign_in(app, "console", "anna")


def _lose(house: House) -> str:
    """Put a copy into bad mail."""
    octets = b"Subject: lost\r\n\r\n<script>\r\n"
    copy = BadMail(
        entry_id=_LOST,
        number=1,
        reverse_path="x@far.example",
        recipient="alice@alpha.test",
        subject="lost",
        size=len(octets),
        reason="given up",
        at_us=1,
    )
    badmail.save(house.badmail, [copy], Content(len(octets), octets, None))
    return copy.name


def _text(answer: TestResponse) -> str:
    """Return what a page says, without its markup."""
    body = re.sub(
        r"<(script|style|svg)\b.*?</\1>", " ", answer.get_data(as_text=True), flags=re.DOTALL
    )
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def _h1(answer: TestResponse) -> str:
    found = re.search(r"<h1[^>]*>(.*?)</h1>", answer.get_data(as_text=True), re.DOTALL)
    assert found, answer.get_data(as_text=True)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", found[1])).split())


PAGES = (
    "/console/",
    "/console/?hours=720",
    "/console/numbers/messages?hours=168",
    "/console/numbers/queue",
    "/console/numbers/logins",
    "/console/postoffices",
    "/console/postoffices?q=nobody",
    "/console/new-postoffice",
    "/console/postoffices/alpha",
    "/console/postoffices/alpha/delete",
    "/console/domains/alpha.test/delete",
    "/console/postoffices/alpha/mailboxes",
    "/console/postoffices/alpha/mailboxes?kind=suspended&q=x",
    "/console/postoffices/alpha/mailboxes/new",
    "/console/mailboxes/alice@alpha",
    "/console/mailboxes/alice@alpha/delete",
    "/console/services",
    "/console/logs",
    "/console/logs?service=WEB&kind=debug&length=500&follow=yes&q=x",
    "/console/queue",
    "/console/queue?state=held&destination=nowhere.example",
    "/console/messages",
    "/console/messages?q=nobody&days=90",
    "/console/explain",
    "/console/explain?from=&to=alice@alpha.test&client=192.0.2.1&login=bob@beta",
    "/console/badmail",
    "/console/settings",
    "/console/settings?changed=yes",
    "/console/settings?q=relay",
    "/console/changes",
    "/console/changes?about=nothing",
    "/console/changes/1/return",
    "/console/changes/1/undo",
    "/console/changes/audit",
    "/console/changes/audit?outcome=refused&most=500",
    "/console/operators",
    "/console/new-operator",
    "/console/operators/anna",
    "/console/operators/anna/delete",
    "/console/new-token",
    "/console/account",
)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_on_a_server_where_nothing_has_happened(anna: Visitor, path: str) -> None:
    answer = anna.get(path)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert _h1(answer)
    page = answer.get_data(as_text=True)
    assert not re.search(r"<[^>]+\sstyle=|<script>|\son[a-z]+=", page)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_opens_without_an_operator(app: Flask, path: str) -> None:
    answer = app.test_client().get(path, base_url="https://mail.test")
    assert answer.status_code == 302
    assert answer.location.startswith("/console/login")


def test_a_part_of_the_first_page_is_fetched_by_itself(anna: Visitor) -> None:
    part = anna.get("/console/", headers={"HX-Request": "true"}).get_data(as_text=True)
    assert "data-refresh" in part
    assert "<html" not in part


# Post offices


def test_a_post_office_is_created_with_its_first_domain(anna: Visitor, town: Town) -> None:
    form = {"postoffice": "gamma", "password": "long enough", "domain": "gamma.test"}
    answer = anna.post("/console/new-postoffice", form)
    assert (answer.status_code, answer.location) == (303, "/console/postoffices/gamma")
    assert [each.name for each in town.ask(ListDomains(postoffice="gamma"))] == ["gamma.test"]


def test_a_wrong_name_stands_beside_its_field_and_stays_typed(anna: Visitor, town: Town) -> None:
    form = {"postoffice": "no spaces", "password": PASSWORD, "domain": "gamma.test"}
    answer = anna.post("/console/new-postoffice", form)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 400
    assert 'value="no spaces"' in page
    assert 'aria-invalid="true"' in page
    assert PASSWORD not in page
    assert len(town.ask(ListPostOffices())) == 2


def test_no_post_office_is_made_with_a_taken_domain(anna: Visitor) -> None:
    form = {"postoffice": "gamma", "password": PASSWORD, "domain": "alpha.test"}
    answer = anna.post("/console/new-postoffice", form)
    assert answer.status_code == 400
    assert "alpha.test belongs to alpha." in answer.get_data(as_text=True)
    assert anna.get("/console/postoffices/gamma").status_code == 404


def test_suspending_a_post_office_can_be_undone(anna: Visitor, town: Town) -> None:
    anna.post("/console/postoffice-enabled", {"postoffice": "alpha", "enabled": "no"})
    assert not town.ask(ListPostOffices())[0].enabled
    page = anna.get("/console/postoffices/alpha").get_data(as_text=True)
    assert "data-undo" in page
    anna.post("/console/postoffice-enabled", {"postoffice": "alpha", "enabled": "yes"})
    assert town.ask(ListPostOffices())[0].enabled


def test_deleting_a_post_office_asks_for_its_name(anna: Visitor, town: Town) -> None:
    refused = anna.post("/console/postoffices/alpha/delete", {"confirm": "alfa"})
    assert refused.status_code == 400
    assert "Type alpha to delete it." in _text(refused)
    assert "2 mailboxes" in _text(refused)
    assert anna.post("/console/postoffices/alpha/delete", {"confirm": "alpha"}).status_code == 303
    assert [each.name for each in town.ask(ListPostOffices())] == ["beta"]


def test_domains_are_disabled_and_deleted(anna: Visitor, town: Town) -> None:
    anna.post("/console/domain-enabled", {"domain": "alpha.test", "enabled": "no"})
    assert not town.ask(ListDomains(postoffice="alpha"))[0].enabled
    anna.post("/console/domains/alpha.test/delete")
    assert town.ask(ListDomains(postoffice="alpha")) == []


def test_a_post_office_is_found_by_its_domain(anna: Visitor) -> None:
    page = _text(anna.get("/console/postoffices?q=BETA.te"))
    assert "beta.test" in page
    assert "alpha" not in page


def test_what_is_not_there_is_a_page_that_says_so(anna: Visitor) -> None:
    for path in ("postoffices/x", "mailboxes/x@alpha", "messages/X", "badmail/X.1", "operators/x",
                 "numbers/x", "settings/x", "logs/SMTP/x.log"):  # fmt: skip
        answer = anna.get(f"/console/{path}")
        assert answer.status_code in (400, 404), path
        assert _h1(answer)


# Mailboxes


def test_a_mailbox_is_created_suspended_and_deleted(anna: Visitor, town: Town) -> None:
    form = {"mailbox": "carol", "password": "long enough", "full_name": "Carol", "role": "ADMIN"}
    made = anna.post("/console/postoffices/alpha/mailboxes/new", form)
    assert made.location == "/console/mailboxes/carol@alpha"
    anna.post("/console/mailbox-enabled", {"mailbox": "carol@alpha", "enabled": "no"})
    found = town.ask(ShowMailbox(mailbox="carol@alpha")).mailbox
    assert (found.role, found.enabled, found.full_name) == ("ADMIN", False, "Carol")
    assert anna.post("/console/mailboxes/carol@alpha/delete", {"confirm": "x"}).status_code == 400
    assert (
        anna.post("/console/mailboxes/carol@alpha/delete", {"confirm": "carol"}).status_code == 303
    )


def test_a_short_password_is_refused_beside_its_field(anna: Visitor) -> None:
    answer = anna.post("/console/mailboxes/alice@alpha/password", {"password": "short"})
    assert answer.status_code == 400
    assert "5 characters" in _text(answer)


def test_the_mailbox_that_gets_postmaster_s_mail_stays(anna: Visitor) -> None:
    answer = anna.post("/console/mailboxes/ADMIN@alpha/delete", {"confirm": "ADMIN"})
    assert answer.status_code == 400
    assert "postmaster" in _text(answer)


# Queue and messages


def _states(town: Town) -> list[str]:
    return [each.recipients[0].state for each in town.ask(ListQueue())]


def test_several_messages_are_held_and_go_on_by_undo(anna: Visitor, town: Town) -> None:
    ids = [submit(town.house, f"x{number}@far.example") for number in range(3)]
    anna.post("/console/queue", {"action": "hold", "message": ids[:2]})
    assert sorted(_states(town)) == ["held", "held", "pending"]
    page = anna.get("/console/queue").get_data(as_text=True)
    assert "2 messages are held." in page
    anna.post("/console/queue", {"action": "release", "messages": " ".join(ids[:2])})
    assert _states(town) == ["pending"] * 3


def test_a_filter_s_messages_are_all_taken_together(anna: Visitor, town: Town) -> None:
    ids = [submit(town.house, f"x{number}@far.example") for number in range(3)]
    town.do(HoldMessage(message=ids[0]))
    anna.post("/console/queue", {"action": "release", "all": "yes", "state": "held"})
    assert _states(town) == ["pending"] * 3


def test_what_can_t_be_undone_asks_first(anna: Visitor, town: Town) -> None:
    message = submit(town.house, "x@far.example")
    asked = anna.post("/console/queue", {"action": "remove", "message": message})
    assert asked.status_code == 200
    assert "Remove one message?" in _h1(asked)
    assert len(town.ask(ListQueue())) == 1
    form = {"action": "remove", "messages": message, "confirmed": "yes"}
    assert anna.post("/console/queue", form).status_code == 303
    assert town.ask(ListQueue()) == []


def test_a_message_that_left_the_queue_meanwhile_is_said(anna: Visitor) -> None:
    anna.post("/console/queue", {"action": "hold", "message": _LOST})
    assert "One message had left the queue before." in _text(anna.get("/console/queue"))


def test_a_form_that_was_sent_from_elsewhere_leads_nowhere_else(anna: Visitor) -> None:
    answer = anna.post("/console/queue", {"action": "hold", "back": "https://evil.example/"})
    assert answer.location == "/console/queue"


def test_the_queue_is_narrowed_and_paged(anna: Visitor, town: Town) -> None:
    for number in range(60):
        submit(town.house, f"x{number}@far.example")
    first = anna.get("/console/queue").get_data(as_text=True)
    assert _h1(anna.get("/console/queue")) == "Mail for 60 recipients waits"
    after = re.search(r'href="(/console/queue\?after=[^"]+)"', first)
    assert after
    assert anna.get(after[1]).get_data(as_text=True).count("data-pick ") == 10


def test_an_id_leads_to_the_journey(anna: Visitor, town: Town) -> None:
    message = submit(town.house, "x@far.example", octets=b"Subject: <b>Loan</b>\r\n\r\nx\r\n")
    found = anna.get(f"/console/messages?q={message.lower()}")
    assert found.location == f"/console/messages/{message}"
    page = anna.get(found.location)
    assert _h1(page) == "<b>Loan</b>"
    assert "&lt;b&gt;Loan" in page.get_data(as_text=True)
    assert f"posthouse message trace {message}" in _text(page)
    assert "x@far.example" in _text(page)


def test_what_would_happen_is_told_decision_by_decision(anna: Visitor) -> None:
    query = "from=a@far.example&to=b@else.example&client=192.0.2.1"
    answer = anna.get(f"/console/explain?{query}")
    assert _h1(answer) == "It would be refused"
    assert "relay.closed" in _text(answer)


def test_a_question_with_a_wrong_value_keeps_what_was_asked(anna: Visitor) -> None:
    answer = anna.get("/console/explain?from=&to=alice@alpha.test&client=nowhere")
    assert answer.status_code == 400
    assert 'value="nowhere"' in answer.get_data(as_text=True)
    assert "is not an IP address" in _text(answer)


# Bad mail


def test_a_copy_is_looked_at_and_sent_once_more(anna: Visitor, town: Town) -> None:
    name = _lose(town.house)
    assert "One message reached neither" in _h1(anna.get("/console/badmail"))
    assert "<script>\r\n" not in anna.get(f"/console/badmail/{name}").get_data(as_text=True)
    octets = anna.get(f"/console/badmail/{name}/message.eml")
    assert octets.mimetype == "message/rfc822"
    assert octets.headers["Content-Disposition"].startswith("attachment")
    answer = anna.post(f"/console/badmail/{name}/requeue")
    assert answer.location.startswith("/console/messages/")
    assert town.ask(ListBadMail()) == []
    assert len(town.ask(ListQueue())) == 1


def test_deleting_a_copy_asks_first(anna: Visitor, town: Town) -> None:
    name = _lose(town.house)
    assert "Delete the copy" in _h1(anna.get(f"/console/badmail/{name}/delete"))
    assert len(town.ask(ListBadMail())) == 1
    anna.post(f"/console/badmail/{name}/delete")
    assert town.ask(ListBadMail()) == []


# Settings


def _value(town: Town, name: str) -> str:
    return town.ask(GetSetting(setting=name)).value


def _settings(*pairs: tuple[str, str]) -> dict[str, object]:
    form: dict[str, object] = {}
    for name, value in pairs:
        form |= {f"{name}:shown": "yes", name: value}
    return form


def test_a_section_is_saved_as_one(anna: Visitor, town: Town) -> None:
    form = _settings(("retry.first", "7m"), ("retry.count", "9"))
    assert anna.post("/console/settings", form).status_code == 303
    assert (_value(town, "retry.first"), _value(town, "retry.count")) == ("7m", "9")


def test_with_one_wrong_value_nothing_is_saved(anna: Visitor, town: Town) -> None:
    form = _settings(("retry.first", "7m"), ("retry.count", "many")) | {"section": "retry"}
    answer = anna.post("/console/settings", form)
    assert answer.status_code == 400
    page = answer.get_data(as_text=True)
    assert 'value="many"' in page
    assert 'value="7m"' in page
    assert "is not a whole number" in _text(answer)
    assert _value(town, "retry.first") != "7m"


def test_a_value_for_this_node_is_kept_apart(anna: Visitor, town: Town) -> None:
    form = _settings(("smtp.local_domain", "mx1.test")) | {"smtp.local_domain:scope": "node"}
    anna.post("/console/settings", form)
    found = town.ask(GetSetting(setting="smtp.local_domain"))
    assert (found.value, found.server_value, found.is_own) == ("mx1.test", "", True)
    page = _text(anna.get("/console/settings?q=smtp.local_domain"))
    assert "Set for this node; the whole server has nothing." in page
    anna.post("/console/settings/reset", {"setting": "smtp.local_domain"})
    assert not town.ask(GetSetting(setting="smtp.local_domain")).is_own


def test_back_to_the_default_can_be_undone(anna: Visitor, town: Town) -> None:
    town.do(ChangeSetting(setting="retry.first", value="7m"))
    anna.post("/console/settings/reset", {"setting": "retry.first"})
    assert town.ask(GetSetting(setting="retry.first")).is_default
    page = anna.get("/console/settings?section=retry").get_data(as_text=True)
    undo = re.search(r'name="retry.first" value="7m"', page)
    assert undo
    anna.post("/console/settings", _settings(("retry.first", "7m")))
    assert _value(town, "retry.first") == "7m"


def test_a_secret_never_reaches_a_page(anna: Visitor, town: Town) -> None:
    anna.post("/console/settings", _settings(("smarthost.password", "hush hush")))
    assert not town.ask(GetSetting(setting="smarthost.password")).is_default
    for path in ("settings?section=smarthost", "changes", "changes/audit"):
        assert "hush hush" not in anna.get(f"/console/{path}").get_data(as_text=True)


def test_a_setting_says_who_changed_it(anna: Visitor) -> None:
    anna.post("/console/settings", _settings(("retry.first", "7m")))
    page = _text(anna.get("/console/settings?changed=yes"))
    assert "Changed by operator anna" in page


# Changes


def test_a_change_is_undone_by_its_plan(anna: Visitor, town: Town) -> None:
    town.do(ChangeSetting(setting="retry.first", value="7m"))
    number = town.ask(ListRevisions(most=1))[0].number
    page = anna.get(f"/console/changes/{number}/undo")
    digest = re.search(r'name="expected" value="([^"]+)"', page.get_data(as_text=True))
    assert digest
    assert "retry.first" in _text(page)
    anna.post(f"/console/changes/{number}/undo", {"expected": digest[1]})
    assert town.ask(GetSetting(setting="retry.first")).is_default


def test_going_back_to_a_plan_that_has_changed_shows_the_new_one(anna: Visitor, town: Town) -> None:
    number = town.ask(ListRevisions(most=1))[0].number
    town.do(ChangeSetting(setting="retry.first", value="7m"))
    answer = anna.post(f"/console/changes/{number}/return", {"expected": "another plan"})
    assert answer.status_code == 409
    assert "This is the plan as it is now." in _text(answer)
    assert _value(town, "retry.first") == "7m"


def test_changes_are_narrowed_to_an_object(anna: Visitor, town: Town) -> None:
    town.do(ChangeSetting(setting="retry.first", value="7m"))
    page = _text(anna.get("/console/changes?about=setting+retry.first"))
    assert "7m" in page
    assert "postoffice alpha" not in page


# Operators and tokens


def test_operators_come_and_go(anna: Visitor, town: Town) -> None:
    anna.post("/console/new-operator", {"operator": "ben", "password": "long enough"})
    assert [each.name for each in town.ask(ListOperators())] == ["anna", "ben"]
    assert anna.post("/console/operators/ben/delete", {"confirm": "no"}).status_code == 400
    anna.post("/console/operators/ben/delete", {"confirm": "ben"})
    assert [each.name for each in town.ask(ListOperators())] == ["anna"]


def test_an_operator_signed_in_elsewhere_is_signed_out_there(app: Flask, anna: Visitor) -> None:
    other = sign_in(app, "console", "anna")
    anna.post("/console/operators/anna/sessions")
    assert other.get("/console/").status_code == 302
    assert anna.get("/console/").status_code == 200


def test_a_token_s_secret_is_shown_once(anna: Visitor, town: Town) -> None:
    form = {"token": "backup", "permissions": ["queue.read"], "days": "30", "postoffice": ""}
    answer = anna.post("/console/new-token", form)
    secret = re.search(r"ph_[A-Za-z0-9_-]{43}", answer.get_data(as_text=True))
    assert secret
    assert town.ask(ListTokens())[0].permissions == ("queue.read",)
    assert secret[0] not in anna.get("/console/operators").get_data(as_text=True)
    anna.post("/console/tokens/backup/revoke")
    assert town.ask(ListTokens()) == []


@pytest.mark.parametrize(
    ("field", "value"), [("days", "soon"), ("permissions", ""), ("token", "a b")]
)
def test_a_wrong_token_is_told_beside_its_field(anna: Visitor, field: str, value: str) -> None:
    form = {"token": "backup", "permissions": "queue.read", "days": "30"} | {field: value}
    answer = anna.post("/console/new-token", form)
    assert answer.status_code == 400
    assert f'id="f-{field}"' in answer.get_data(as_text=True)


# Logs


def test_the_lines_that_follow_are_asked_for_where_the_last_ones_ended(
    anna: Visitor, town: Town
) -> None:
    folder = town.house.home / "logs" / "SMTP"
    folder.mkdir(parents=True)
    log = folder / "SMTP-Activity-261122.log"
    log.write_text(f"first\t{_LOST}\n")
    page = anna.get("/console/logs?follow=yes").get_data(as_text=True)
    assert f'href="/console/messages/{_LOST}"' in page
    found = re.search(r'data-follow="([^"]+)"', page)
    assert found
    with log.open("a") as file:
        file.write("second\n")
    part = anna.get(html.unescape(found[1])).get_data(as_text=True)
    assert "second" in part
    assert "first" not in part


def test_a_log_is_handed_out_by_its_name_only(anna: Visitor, town: Town) -> None:
    folder = town.house.home / "logs" / "SMTP"
    folder.mkdir(parents=True)
    (folder / "SMTP-Debug-261122.log").write_text("x\n")
    answer = anna.get("/console/logs/SMTP/SMTP-Debug-261122.log")
    assert answer.get_data() == b"x\n"
    assert anna.get("/console/logs/SMTP/..%2F..%2Fconfig%2Fkey").status_code == 404
