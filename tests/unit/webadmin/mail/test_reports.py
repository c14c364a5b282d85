from __future__ import annotations

from webadmin.mail.reports import report

_TEXT = """Reporting-MTA: dns; mail.demo.test
Arrival-Date: Sun, 22 Nov 2026 10:00:00 +0000

Original-Recipient: rfc822; ines@quay.example
Final-Recipient: rfc822; ines.vale@quay.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.quay.example
Diagnostic-Code: smtp; 550 5.1.1 no such
 mailbox here

Final-Recipient: rfc822; tomas@quay.example
Action: delayed
Status: 4.4.1 (no answer)
"""


def test_each_recipient_has_a_fate() -> None:
    # RFC 3464 §2.3
    found = report(_TEXT)
    assert found is not None
    assert found.server == "mail.demo.test"
    failed, delayed = found.fates
    assert (failed.recipient, failed.action, failed.status) == (
        "ines@quay.example",
        "failed",
        "5.1.1",
    )
    assert failed.said == "550 5.1.1 no such mailbox here"
    assert failed.by == "mx.quay.example"
    assert not failed.is_done
    assert (delayed.recipient, delayed.action, delayed.status) == (
        "tomas@quay.example",
        "delayed",
        "4.4.1",
    )


def test_lines_between_the_groups_may_hold_spaces() -> None:
    found = report(
        "Reporting-MTA: dns; a\n  \nFinal-Recipient: rfc822; b@c.example\nAction: Relayed"
    )
    assert found is not None
    assert found.fates[0].is_done


def test_a_text_without_recipients_is_no_report() -> None:
    assert report("Reporting-MTA: dns; a") is None
    assert report("") is None
    assert report("\x00\n\n:::\n\n") is None


def test_very_many_recipients_are_counted_and_not_all_shown() -> None:
    # RFC 3464 §2.3: one group per recipient, without bound
    blocks = "\n\n".join(
        f"Final-Recipient: rfc822; u{n}@c.example\nAction: failed" for n in range(150)
    )
    found = report(f"Reporting-MTA: dns; a\n\n{blocks}")
    assert found is not None
    assert (len(found.fates), found.more) == (100, 50)
