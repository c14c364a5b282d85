from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.operations.health import (
    CertificateHealth,
    DiskHealth,
    Finding,
    Health,
    QueueHealth,
    Severity,
)
from appliance.operations.trends import Points, Trends
from webadmin.plots import Drawing
from webadmin.server import figures as asked
from webadmin.server.figures import SPANS, Figures, figures, table
from webadmin.server.overview import explanation, heading

_HEALTH = Health(
    services=(),
    queue=QueueHealth(waiting=7, held=0, oldest_at=0, worst="", worst_status=""),
    disk=DiskHealth(used=1, free=9, percent=10),
    certificate=CertificateHealth(names=(), ends_at=0, days_left=0, is_self_signed=True),
    failed_logins=0,
    findings=(),
)
_EMPTY = Drawing(left=0, width=100, base=98, rules=(), marks=())
_FIGURES = Figures(
    accepted=1,
    deferred=0,
    refused=0,
    waiting=0,
    logins=0,
    delivered=0,
    messages=_EMPTY,
    queue=_EMPTY,
    failed_logins=_EMPTY,
    rules=(),
    store=(),
    is_new=False,
)


def _finding(severity: Severity, title: str, cause: str = "setting.risky") -> Finding:
    return Finding(severity, title, "Why.", cause, "queue")


def _heading(*findings: Finding, is_new: bool = False) -> str:
    return heading(replace(_HEALTH, findings=findings), replace(_FIGURES, is_new=is_new))


def test_the_heading_says_whether_somebody_is_needed() -> None:
    assert _heading() == "Mail is flowing. Nothing needs you."
    warning = _finding(Severity.WARN, "The certificate ends soon")
    assert _heading(warning) == "Mail is flowing. One thing needs you."
    assert _heading(warning, warning) == "Mail is flowing. 2 things need you."


def test_what_is_only_good_to_know_needs_nobody() -> None:
    assert _heading(_finding(Severity.INFO, "There is bad mail")).endswith("Nothing needs you.")


def test_what_stops_mail_is_the_heading() -> None:
    down = _finding(Severity.BAD, "The service smtp does not run", "service.down")
    assert _heading(down) == "The service smtp does not run."


def test_a_new_server_says_that_it_is_ready() -> None:
    assert _heading(is_new=True) == "Everything runs. No mail has passed yet."


def test_the_line_below_names_what_is_counted() -> None:
    found = (_finding(Severity.WARN, "Messages are on hold"), _finding(Severity.INFO, "Bad mail"))
    assert explanation(replace(_HEALTH, findings=found)) == "Messages are on hold."


def _points(series: str, *values: int | None) -> Points:
    return Points(series, values)


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer questions about trends with two steps of each series."""
    by_prefix = {
        "": (_points("accepted", 4, 6), _points("queue.waiting", None, 7)),
        "recipients.": (
            _points("recipients.SF.delivered", 3, 3),
            _points("recipients.SMTP.relayed", 0, 1),
            _points("recipients.SMTP.deferred", 1, None),
        ),
        "refused.": (_points("refused.relay.closed", 0, 5), _points("refused.quota.full", 1, 0)),
        "logins.": (
            _points("logins.pop3.wrong", 2, 0),
            _points("logins.smtp.throttled", 0, 1),
            _points("logins.smtp.right", 9, 9),
        ),
        "store.": (_points("store.alpha", 10, None), _points("store.beta", 30, 40)),
    }
    monkeypatch.setattr(
        asked, "ask", lambda question: Trends(0, 60_000_000, by_prefix[question.prefix])
    )


@pytest.mark.usefixtures("sampled")
def test_each_number_of_the_first_page_is_the_sum_of_its_series() -> None:
    found = figures(SPANS[0], _HEALTH)
    assert (found.accepted, found.deferred, found.refused, found.delivered) == (10, 1, 6, 7)
    assert (found.waiting, found.logins) == (7, 3)
    assert [(rank.name, rank.value) for rank in found.rules] == [
        ("relay.closed", 5),
        ("quota.full", 1),
    ]
    assert [(rank.name, rank.value) for rank in found.store] == [("beta", 40), ("alpha", 10)]


@pytest.mark.usefixtures("sampled")
def test_a_plot_s_table_has_its_newest_step_first() -> None:
    found = table("messages", SPANS[0])
    assert found.columns == ("Accepted", "Delivered", "Deferred", "Refused")
    assert [values for _, values in found.rows] == [(6, 4, 0, 5), (4, 3, 1, 1)]
    assert [values for _, values in table("queue", SPANS[0]).rows] == [(7,), (None,)]
    assert table("logins", SPANS[0]).rows[0][1] == (9, 0, 1)
