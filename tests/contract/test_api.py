"""The REST API: its table, its answers, its refusals; on both databases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from appliance.database.errors import StoreBusy
from appliance.directory.lookup import Directory
from appliance.operations.mailboxes import CreateMailbox
from appliance.operations.postoffices import ADMIN
from appliance.operations.records import ListAudit
from appliance.rules.access import TOKEN_PERMISSIONS
from tests.support.clock import SetClock
from tests.support.everything import every_operation
from tests.support.program import Program, body
from tests.support.town import PASSWORD, Town, submit
from tests.support.webtest import token, web
from webadmin.api.routes import ROUTES

# Operations without a row in the API's table, and why.
ELSEWHERE = {
    "address.list": "GET /addresses gives them by the page",
    "backup.create": "files of the server's machine, for the command line and its timer",
    "backup.delete": "the same",
    "backup.list": "the same",
    "backup.restore": "needs the services stopped",
    "backup.verify": "takes as long as the home is large",
    "badmail.read": "octets of a message, for the command line",
    "logs.find": "paths of the server's own files",
    "mailbox.check-password": "for the Ansible modules, which ask the command line",
    "mailbox.list": "GET /mailboxes gives them by the page",
    "service.metrics": "Prometheus asks the daemons",
    "settings.load": "PUT /settings/{setting} sets one after the other",
    "settings.plan": "for the command line, and the Ansible modules that ask it",
    "upgrade.plan": "needs the services stopped",
    "upgrade.run": "needs the services stopped",
    "scrub": "takes as long as the home is large",
    "upgrade.with_backup": "needs the services stopped",
}
SECRET = "no-one may read this"
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.fixture
def app(town: Town) -> Iterator[Flask]:
    with web(town.house) as found:
        yield found


def logs_of(app: Flask, town: Town) -> str:
    app.extensions["posthouse"].logs.flush()
    files = (town.house.home / "logs").rglob("*.log")
    return "".join(path.read_text(encoding="utf-8") for path in files)


def names(page: Any) -> list[str]:  # noqa: ANN401 - any JSON
    return [each["mailbox"]["name"] for each in page["items"]]


@pytest.fixture
def program(app: Flask, town: Town) -> Program:
    return Program(app.test_client(), token(town, "everything"))


# ── the table ────────────────────────────────────────────────────────────────────────────────────


def test_every_operation_a_token_may_do_has_its_place_in_the_table() -> None:
    wanted = {each for each in every_operation() if each.permission in TOKEN_PERMISSIONS}
    missing = {each.name for each in wanted - {route.operation for route in ROUTES}}
    assert missing == set(ELSEWHERE)


def test_no_route_needs_a_permission_that_no_token_has() -> None:
    assert {route.operation.permission for route in ROUTES} <= TOKEN_PERMISSIONS


def test_each_route_has_a_name_and_a_place_of_its_own() -> None:
    assert len({route.id for route in ROUTES}) == len(ROUTES)
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def test_the_description_needs_no_token_and_names_every_route(app: Flask) -> None:  # OpenAPI 3.1
    answer = app.test_client().get("/api/v1/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    described = body(answer)
    found = {
        (method.upper(), path) for path, methods in described["paths"].items() for method in methods
    }
    assert found == {(route.method, route.path) for route in ROUTES}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            texts = [each["description"] for each in operation["parameters"]]
            assert operation["summary"], (method, path)
            assert all(texts), (method, path)


def test_the_manual_lists_every_route_with_its_permission() -> None:
    page = (Path(__file__).parents[2] / "docs/api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([A-Z]+) (\S+)` \| .+ \| `(\S+)` \|$", page, re.MULTILINE)
    assert listed == [(each.method, each.path, each.operation.permission) for each in ROUTES]


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


def test_a_mailbox_is_made_shown_changed_and_deleted(program: Program, town: Town) -> None:
    made = program("POST", "/mailboxes", json={"mailbox": "carol@alpha", "password": SECRET})
    assert (made.status_code, body(made)["login"]) == (201, "carol@alpha")
    assert SECRET not in made.get_data(as_text=True)

    shown = program.get("/mailboxes/carol@alpha")
    assert (shown["mailbox"]["name"], shown["addresses"]) == ("carol", ["carol@alpha.test"])

    for path in ("/mailboxes/carol@alpha/enabled", "/postoffices/alpha/enabled"):
        assert program("PUT", path, json={"enabled": False}).status_code == 204
    assert program.get("/mailboxes/CAROL@alpha")["mailbox"]["enabled"] is False
    assert program.get("/postoffices/alpha")["enabled"] is False

    assert program("DELETE", "/mailboxes/carol@alpha").status_code == 204
    assert program("GET", "/mailboxes/carol@alpha").status_code == 404
    assert town.house.directory.mailbox("carol@alpha") is None


def test_what_a_change_leaves_out_stays_as_it_is(program: Program) -> None:  # PATCH, RFC 5789
    path = "/mailboxes/alice@alpha"
    program("PATCH", path, json={"full_name": "Alice Ash", "quota_kb": 5000, "role": "ADMIN"})
    changed = program("PATCH", path, json={"quota_kb": 0})
    assert changed.status_code == 200
    kept = {name: body(changed)[name] for name in ("full_name", "quota_kb", "role")}
    assert kept == {"full_name": "Alice Ash", "quota_kb": 0, "role": "ADMIN"}
    assert body(program("PATCH", path, json={})) == body(changed)
    assert body(program("PATCH", path)) == body(changed)
    assert program("PATCH", path, json={"full_name": None}).status_code == 400
    assert body(program("PATCH", path, json={"full_name": ""}))["full_name"] == ""


def test_mailboxes_come_by_the_page(program: Program, town: Town) -> None:
    for name in ("carol", "dora", "Emil"):
        town.do(CreateMailbox(mailbox=f"{name}@alpha", password=PASSWORD))
    first = program.get("/mailboxes", postoffice="alpha", most=3)
    assert names(first) == [ADMIN, "alice", "carol"]
    rest = program.get("/mailboxes", postoffice="alpha", most=3, after=first["after"])
    assert (names(rest), rest["after"]) == (["dora", "Emil"], "")
    assert names(program.get("/mailboxes", postoffice="alpha", containing="DOR")) == ["dora"]
    assert names(program.get("/mailboxes", postoffice="alpha", kind="admin")) == [ADMIN]


def test_addresses_come_by_the_page_and_may_hold_a_slash(program: Program) -> None:
    odd = "a/b//c@alpha.test"  # RFC 5322 atext
    made = program("POST", "/addresses", json={"address": odd, "mailbox": "alice@alpha"})
    assert made.status_code == 201
    first = program.get("/addresses", postoffice="alpha", most=1)
    rest = program.get("/addresses", postoffice="alpha", after=first["after"])
    assert [each["address"] for each in (*first["items"], *rest["items"])][:2] == [
        odd,
        "abuse@alpha.test",
    ]
    assert program("DELETE", f"/addresses/{odd}").status_code == 204
    assert program("DELETE", "/addresses/a%2Fb%2F%2Fc@alpha.test").status_code == 404


def test_audit_and_revisions_come_by_the_page(program: Program) -> None:
    for path in ("/audit", "/revisions"):
        (newest,) = program.get(path, most=1)["items"]
        (next_one,) = program.get(path, most=1, before=newest["number"])["items"]
        assert next_one["number"] < newest["number"]


def test_a_list_is_an_object_with_items(program: Program) -> None:
    assert {each["name"] for each in program.get("/postoffices")["items"]} == {"alpha", "beta"}
    assert program.get("/queue/messages") == {"items": []}


def test_a_time_is_a_date_time_in_utc_and_null_where_there_is_none(
    program: Program, clock: SetClock
) -> None:  # RFC 3339
    shown = program.get("/mailboxes/alice@alpha")["mailbox"]
    assert RFC_3339.fullmatch(shown["created_at"])
    assert shown["last_login_at"] is None
    for each in program.get("/audit")["items"]:
        assert RFC_3339.fullmatch(each["at"])


def test_a_setting_is_changed_and_returned_to_its_default(program: Program) -> None:
    path = "/settings/smtp.max_recipients"
    assert program("PUT", path, json={"value": "7"}).status_code == 204
    assert program.get(path)["value"] == "7"
    assert program("PUT", path, json={"value": None}).status_code == 204
    assert program.get(path)["is_default"] is True
    assert program.get("/settings", containing="max_recipients")["items"]


def test_a_revision_is_planned_and_undone(program: Program) -> None:
    program("PUT", "/settings/smtp.max_recipients", json={"value": "7"})
    (newest,) = program.get("/revisions", most=1)["items"]
    path = f"/revisions/{newest['number']}/undo"
    plan = program.get(path)
    assert [each["object"] for each in plan["steps"]] == ["setting smtp.max_recipients"]
    stale = program("POST", path, json={"expected": "0" * 16})
    assert (stale.status_code, body(stale)["field"]) == (409, "expected")
    assert body(program("POST", path, json={"expected": plan["digest"]})) == plan
    assert program.get("/settings/smtp.max_recipients")["is_default"] is True
    back = f"/revisions/{newest['number']}/return"
    assert program.get(back)["steps"]
    assert program("POST", back).status_code == 200
    assert program.get("/settings/smtp.max_recipients")["value"] == "7"


def test_a_message_is_held_seen_and_released(program: Program, town: Town) -> None:
    message = submit(town.house, "alice@alpha.test")
    assert body(program("POST", f"/queue/messages/{message}/hold")) == {"result": 1}
    (queued,) = program.get("/queue/messages", state="held")["items"]
    assert (queued["id"], queued["recipients"][0]["state"]) == (message, "held")
    assert body(program("POST", f"/queue/messages/{message}/release")) == {"result": 1}
    journey = program.get(f"/messages/{message}/journey")
    assert journey["events"][0]["kind"] == "accepted"


def test_several_values_are_given_by_repeating_the_name(program: Program) -> None:
    answer = program("GET", "/trends?series=accepted&series=queue.waiting&hours=1")
    assert [each["series"] for each in body(answer)["series"]] == ["accepted", "queue.waiting"]
    assert [each["series"] for each in program.get("/trends", series="accepted")["series"]] == [
        "accepted"
    ]


def test_the_server_says_how_it_is(program: Program) -> None:
    found = program.get("/health")
    assert {each["name"] for each in found["services"]} >= {"smtp", "web"}
    assert program.get("/services") == {"items": []}


def test_what_is_asked_for_is_audited_with_the_tokens_name(program: Program, town: Town) -> None:
    program("PUT", "/mailboxes/alice@alpha/enabled", json={"enabled": False})
    (audit,) = town.ask(ListAudit(most=1))
    assert (audit.actor, audit.door, audit.client) == ("token:everything", "api", "127.0.0.1")
    assert (audit.operation, audit.outcome) == ("mailbox.enable", "done")


def test_no_secret_is_ever_shown(app: Flask, program: Program, town: Town) -> None:
    sent = [
        ("POST", "/mailboxes", {"mailbox": "carol@alpha", "password": SECRET}),
        ("POST", "/mailboxes", {"mailbox": "carol@alpha", "password": SECRET}),
        ("POST", "/mailboxes", {"mailbox": "x@alpha", "password": [SECRET]}),
        ("POST", "/mailboxes", {"mailbox": "x@alpha", "password": f"{SECRET}\0"}),
        ("PUT", "/mailboxes/alice@alpha/password", {"password": SECRET}),
        ("PUT", "/mailboxes/alice@alpha/password", {"password": SECRET * 100}),
        ("POST", "/postoffices", {"postoffice": "gamma", "password": SECRET}),
        ("PUT", "/settings/smarthost.password", {"value": SECRET}),
        ("PUT", "/settings/smarthost.password", {"value": f"{SECRET}\n"}),
        ("PUT", "/settings/smarthost.port", {"value": "many"}),
    ]
    told = [
        program(method, path, json=values).get_data(as_text=True) for method, path, values in sent
    ]
    lists = [each.path for each in ROUTES if each.method == "GET" and not each.in_path]
    lists += ["/settings/smarthost.password", "/mailboxes?postoffice=alpha"]
    told += [program("GET", path).get_data(as_text=True) for path in lists]
    assert SECRET not in "".join(told)
    assert "argon2" not in "".join(told)
    logged = logs_of(app, town)
    assert "/api/v1/mailboxes" in logged
    assert SECRET not in logged


# ── what is wrong ────────────────────────────────────────────────────────────────────────────────

WRONG: list[tuple[str, dict[str, Any], tuple[int, str]]] = [
    ("POST /mailboxes", {"json": {"mailbox": "x@alpha"}}, (400, "password")),
    ("POST /mailboxes", {"json": {"mailbox": 7, "password": PASSWORD}}, (400, "mailbox")),
    ("POST /mailboxes", {"json": {"mailbox": "x@alpha", "password": "short"}}, (400, "password")),
    ("POST /mailboxes", {"json": {"mailbox": None, "password": PASSWORD}}, (400, "mailbox")),
    ("POST /mailboxes", {"json": ["x"]}, (400, "")),
    ("POST /mailboxes", {"data": b"{", "content_type": "application/json"}, (400, "")),
    ("POST /mailboxes", {"data": b"\xff", "content_type": "application/json"}, (400, "")),
    ("POST /mailboxes", {"data": b"[" * 100_000, "content_type": "application/json"}, (400, "")),
    ("POST /mailboxes", {"data": b'{"a":1e999}', "content_type": "application/json"}, (400, "")),
    (
        "POST /mailboxes",
        {"data": b'{"mailbox":"\\ud800@alpha"}', "content_type": "application/json"},
        (400, ""),
    ),
    ("POST /mailboxes", {"data": b"mailbox=x"}, (415, "")),
    ("POST /mailboxes", {}, (415, "")),
    ("POST /queue/retry", {"json": {"message": "x"}}, (400, "")),
    (
        "POST /mailboxes",
        {"json": {"mailbox": "x@alpha", "password": PASSWORD, "colour": 1}},
        (400, ""),
    ),
    ("POST /mailboxes?mailbox=x", {"json": {}}, (400, "")),
    (
        "POST /mailboxes",
        {"json": {"mailbox": "alice@alpha", "password": PASSWORD}},
        (409, "mailbox"),
    ),
    ("POST /mailboxes", {"data": b"x" * ((1 << 20) + 1)}, (413, "")),
    (
        "PATCH /mailboxes/alice@alpha",
        {"data": b'{"quota_kb":' + b"9" * 400 + b"}", "content_type": "application/json"},
        (400, "quota_kb"),
    ),
    ("PATCH /mailboxes/alice@alpha", {"json": {"quota_kb": -1}}, (400, "quota_kb")),
    ("PATCH /mailboxes/alice@alpha", {"json": {"quota_kb": 1.5}}, (400, "quota_kb")),
    ("PATCH /mailboxes/alice@alpha", {"json": {"role": "user"}}, (400, "role")),
    ("GET /mailboxes", {}, (400, "postoffice")),
    ("GET /mailboxes?postoffice=alpha&colour=red", {}, (400, "")),
    ("GET /mailboxes?postoffice=alpha&postoffice=beta", {}, (400, "postoffice")),
    ("GET /mailboxes?postoffice=alpha&containing=%00", {}, (400, "containing")),
    ("GET /mailboxes/nobody@alpha", {}, (404, "mailbox")),
    ("GET /mailboxes/a%00b@alpha", {}, (400, "mailbox")),
    ("GET /mailboxes/%ff@alpha", {}, (404, "mailbox")),
    ("GET /queue/messages", {"query_string": {"most": "many"}}, (400, "most")),
    ("GET /queue/messages", {"query_string": {"most": "0"}}, (400, "most")),
    ("GET /queue/messages", {"query_string": {"most": "9" * 30}}, (400, "most")),
    ("GET /revisions/first/undo", {}, (400, "revision")),
    ("GET /revisions/-1/undo", {}, (400, "revision")),
    ("GET /badmail/..%2F..%2Fconfig%2Fkey", {}, (404, "")),
    ("PUT /settings/smtp.max_recipients", {"json": {"value": "many"}}, (400, "value")),
    ("GET /nowhere", {}, (404, "")),
    ("PATCH /mailboxes", {}, (405, "")),
]


@pytest.mark.parametrize(("request_line", "options", "expected"), WRONG)
def test_what_is_wrong_is_told_as_a_problem_document(
    program: Program,
    town: Town,
    request_line: str,
    options: dict[str, Any],
    expected: tuple[int, str],
) -> None:  # RFC 9457
    version = town.house.directory.version()
    answer = program(*request_line.split(), **options)
    assert answer.content_type == "application/problem+json"
    told = body(answer)
    assert (answer.status_code, told.get("field", "")) == expected
    assert (told["type"], told["status"]) == ("about:blank", answer.status_code)
    assert told["title"]
    assert len(told["detail"]) > 10
    assert town.house.directory.version() == version


def test_a_method_that_does_not_go_is_answered_with_those_that_do(program: Program) -> None:
    answer = program("DELETE", "/mailboxes")  # RFC 9110 §15.5.6
    assert answer.status_code == 405
    assert set(answer.allow) == {"GET", "HEAD", "OPTIONS", "POST"}
    assert "GET, HEAD, OPTIONS, POST" in body(answer)["detail"]
    assert set(program("OPTIONS", "/mailboxes").allow) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_a_body_without_a_length_is_read_up_to_the_limit(program: Program) -> None:
    values = b'{"mailbox": "carol@alpha", "password": "correct horse"}'
    for octets, status in ((values, 201), (values + b" " * (1 << 20), 413)):
        answer = program(
            "POST",
            "/mailboxes",
            input_stream=BytesIO(octets),
            content_type="application/json",
            environ_overrides={"wsgi.input_terminated": True},  # chunked, RFC 9112 §7.1
        )
        assert answer.status_code == status


def test_an_answer_without_a_body_names_no_type(program: Program) -> None:  # RFC 9110 §8.3
    answer = program("PUT", "/mailboxes/alice@alpha/enabled", json={"enabled": True})
    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert "Content-Type" not in answer.headers


def test_head_is_get_without_the_body(program: Program) -> None:  # RFC 9110 §9.3.2
    asked, head = program("GET", "/postoffices"), program("HEAD", "/postoffices")
    assert (head.status_code, head.get_data()) == (200, b"")
    assert head.headers["Content-Length"] == asked.headers["Content-Length"]


def test_a_server_that_is_busy_says_when_to_come_again(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:  # RFC 9110 §10.2.3
    def busy(directory: Directory) -> None:
        raise StoreBusy("the database is locked")

    monkeypatch.setattr(Directory, "postoffices", busy)
    answer = program("GET", "/postoffices")
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert int(answer.headers["Retry-After"]) > 0


def test_what_nobody_thought_of_is_logged_and_not_shown(
    app: Flask, program: Program, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(directory: Directory) -> None:
        raise ZeroDivisionError("in the cellar")

    monkeypatch.setattr(Directory, "postoffices", break_down)
    answer = program("GET", "/postoffices")
    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert "cellar" not in answer.get_data(as_text=True)
    mark = re.search(r"[0-9a-f]{8}", body(answer)["detail"])
    assert mark
    logged = logs_of(app, town)
    assert f"({mark[0]})" in logged
    assert "in the cellar" in logged
