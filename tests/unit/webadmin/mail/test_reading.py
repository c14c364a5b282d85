from __future__ import annotations

import base64
import io
import re
import zipfile
from html import unescape

import pytest

from appliance.store.message import Flag, Use
from tests.support.boxes import letter
from tests.support.webmail import Post, Reader, event

_PNG = b"\x89PNG\r\n\x1a\n"
_HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)><p onclick='alert(3)'>kept</p>"
    "<a href='javascript:alert(4)'>link</a><form action='https://x.example'><input></form>"
    "<meta http-equiv=refresh content='0;url=https://x.example'><base href='https://x.example/'>"
    "<iframe src='https://x.example'></iframe><svg onload=alert(5)></svg>"
    "<style>p{background:url(https://x.example/css)}</style>"
    "<p style='background-image:url(https://x.example/style)'>styled</p>"
)


def _mail(*fields: str, body: str = "Hello.") -> bytes:
    head = "\r\n".join(("From: Mira <mira@x.test>", "Subject: s", "MIME-Version: 1.0", *fields))
    return f"{head}\r\n\r\n{body}\r\n".encode()


def _parts(*parts: str, kind: str = "mixed") -> bytes:
    body = "".join(f"--bb\r\n{part}\r\n" for part in parts) + "--bb--\r\n"
    return _mail(f"Content-Type: multipart/{kind}; boundary=bb", body=body)


_HTML = "Content-Type: text/html; charset=utf-8\r\n\r\n"
_TEXT = "Content-Type: text/plain\r\n\r\n"


def test_opening_marks_a_message_read_and_tells_the_list(reader: Reader) -> None:
    uid = reader.file()
    answer = reader.get(f"/webmail/{reader.id()}/{uid}", into="reader")
    assert reader.flags() == {uid: Flag.SEEN}
    assert event(answer) == {
        "folder": reader.id(),
        "marked": str(uid),
        "as": "new",
        "on": False,
    }
    assert ">1 message<" in answer.text
    assert "HX-Trigger" not in reader.get(f"/webmail/{reader.id()}/{uid}", into="reader").headers


def test_text_is_shown_in_the_page_with_links_and_nothing_that_runs(reader: Reader) -> None:
    uid = reader.file(_mail(body="See https://x.example/a <script>alert(1)</script>\r\n> quoted"))
    page = reader.page(f"/webmail/{reader.id()}/{uid}")
    assert '<a href="https://x.example/a"' in page
    assert "<blockquote>" in page
    assert "<script>alert" not in page
    assert "<iframe" not in page


def test_html_is_only_ever_in_its_frame_which_may_run_nothing(reader: Reader) -> None:
    uid = reader.file(_mail("Content-Type: text/html", body=f"<b>designed</b>{_HOSTILE}"))
    page = reader.page(f"/webmail/{reader.id()}/{uid}")
    assert "<b>designed" not in page
    frame = re.search(r"<iframe [^>]*>", page)
    assert frame
    assert 'sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox"' in frame[0]
    body = reader.get(f"/webmail/{reader.id()}/{uid}/body")
    policy = body.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups")
    assert "allow-scripts" not in policy
    assert "script-src" not in policy  # so that default-src 'none' is its answer
    assert "default-src 'none'" in policy
    assert "<b>designed</b>" in body.text
    shown = body.text.partition("<body")[2]
    for part in ("<script", "onerror", "onclick", "javascript:", "<form", "<meta", "<base",
                 "<iframe", "<svg", "x.example"):  # fmt: skip
        assert part not in shown


def test_remote_images_wait_until_they_are_asked_for(reader: Reader) -> None:
    html = "<img src='https://x.example/1.png' alt=one><img src='http://x.example/2.png'>"
    uid = reader.file(_mail("Content-Type: text/html", body=html))
    here = f"/webmail/{reader.id()}/{uid}"
    assert "2 remote images are not loaded" in reader.page(here)
    blocked = reader.get(f"{here}/body")
    assert "x.example" not in blocked.text
    assert "https:" not in blocked.headers["Content-Security-Policy"]
    assert "not loaded" not in reader.page(f"{here}?images=1")
    shown = reader.get(f"{here}/body?images=1")
    assert "https://x.example/1.png" in shown.text
    assert "img-src 'self' data: https: http:" in shown.headers["Content-Security-Policy"]


def test_pictures_of_the_mail_itself_come_from_its_own_address(reader: Reader) -> None:
    # RFC 2392
    picture = "Content-Type: image/png\r\nContent-ID: <pic>\r\n\r\n\x89PNG"
    uid = reader.file(_parts(f"{_HTML}<img src='cid:pic'>", picture, kind="related"))
    here = f"/webmail/{reader.id()}/{uid}"
    address = re.search(r'<img src="([^"]+)"', reader.page(f"{here}/body"))
    assert address
    shown = reader.get(unescape(address[1]))
    assert (shown.status_code, shown.content_type) == (200, "image/png")
    assert "attachment" not in reader.page(here)


def test_html_that_sets_no_colours_follows_the_theme(reader: Reader) -> None:
    plain = reader.file(_mail("Content-Type: text/html", body="<p>a</p>"))
    coloured = reader.file(_mail("Content-Type: text/html", body="<p style='color:#333'>a</p>"))
    for uid, kind in ((plain, "plain"), (coloured, "paper")):
        assert f'<body class="{kind}"' in reader.page(f"/webmail/{reader.id()}/{uid}/body")


def test_the_same_in_plain_text_can_be_chosen(reader: Reader) -> None:
    uid = reader.file(_parts(f"{_TEXT}as text", f"{_HTML}<p>as html</p>", kind="alternative"))
    here = f"/webmail/{reader.id()}/{uid}"
    assert "Show as plain text" in reader.page(here)
    page = reader.page(f"{here}?plain=1")
    assert "as text" in page
    assert "<iframe" not in page
    assert "Show as it was designed" in page


@pytest.mark.parametrize(
    ("given", "sent", "shows"),
    [
        ("image/png", "image/png", True),
        ("text/plain; charset=koi8-r", "text/plain; charset=koi8-r", True),
        ('text/plain; charset="x(y"', "text/plain; charset=utf-8", True),
        ("application/pdf", "application/pdf", False),
        ("text/html", "application/octet-stream", False),
        ("image/svg+xml", "application/octet-stream", False),
        ("application/xhtml+xml", "application/octet-stream", False),
        ("text/xml", "application/octet-stream", False),
        ("text/javascript", "application/octet-stream", False),
        ("x/y", "application/octet-stream", False),
    ],
)
def test_what_could_run_is_saved_and_never_shown(
    reader: Reader, given: str, sent: str, shows: bool
) -> None:
    attachment = f"Content-Type: {given}\r\nContent-Disposition: attachment; filename=a.x\r\n\r\nx"
    uid = reader.file(_parts(f"{_TEXT}t", attachment))
    here = f"/webmail/{reader.id()}/{uid}/part/2"
    for query, kind in (("", "attachment"), ("?show=1", "inline" if shows else "attachment")):
        answer = reader.get(here + query)
        assert answer.content_type == sent
        assert answer.headers["Content-Disposition"].startswith(kind)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("what", ["part/2", "source"])
def test_what_is_large_is_sent_piece_by_piece_and_its_length_logged(
    reader: Reader, post: Post, what: str
) -> None:  # CHECKLIST 216: a message may have 50 MiB
    text = base64.encodebytes(bytes(3 << 20)).decode()
    attachment = f"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{text}"
    path = f"/webmail/{reader.id()}/{reader.file(_parts(f'{_TEXT}t', attachment))}/{what}"
    with reader.get(path) as answer:
        assert answer.is_streamed  # nothing on the way has made one piece of it
        sizes = [len(piece) for piece in answer.response]
    assert max(sizes) <= 256 << 10
    logs = post.app.extensions["posthouse"].logs
    logs.flush()
    lines = [line for file in post.house.home.glob("logs/WEB/*Activity*")
             for line in file.read_text().splitlines() if f"\t{path}\t" in line]  # fmt: skip
    assert [line.split("\t")[8] for line in lines] == [str(sum(sizes))], lines


def test_a_file_keeps_its_name_in_any_script(reader: Reader) -> None:
    # RFC 6266 §4.3, RFC 8187
    name = "filename*=utf-8''%D7%A9%D7%9C%D7%95%D7%9D.pdf"
    part = f"Content-Type: application/pdf\r\nContent-Disposition: attachment; {name}\r\n\r\nx"
    uid = reader.file(_parts(f"{_TEXT}t", part))
    said = reader.get(f"/webmail/{reader.id()}/{uid}/part/2").headers["Content-Disposition"]
    assert "filename*=UTF-8''%D7%A9%D7%9C%D7%95%D7%9D.pdf" in said
    assert "שלום.pdf" in reader.page(f"/webmail/{reader.id()}/{uid}")


def test_all_attachments_are_saved_at_once_each_under_a_name_of_its_own(reader: Reader) -> None:
    files = [
        f"Content-Type: text/csv\r\nContent-Disposition: attachment; filename={name}\r\n\r\n{text}"
        for name, text in (("a.csv", "1"), ("A.csv", "2"), ("../../etc/b.csv", "3"))
    ]
    uid = reader.file(_parts(f"{_TEXT}t", *files))
    answer = reader.get(f"/webmail/{reader.id()}/{uid}/all.zip")
    assert answer.content_type == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "a.csv": b"1",
            "A (2).csv": b"2",
            "b.csv": b"3",
        }
    answer.close()


def test_a_message_without_files_has_no_archive(reader: Reader) -> None:
    assert reader.get(f"/webmail/{reader.id()}/{reader.file()}/all.zip").status_code == 404


def test_a_message_inside_of_another_is_read_like_one(reader: Reader) -> None:
    # RFC 2046 §5.2.1
    inner = (
        "Content-Type: message/rfc822\r\n\r\nSubject: inner one\r\nFrom: in@x.test\r\n\r\ninside"
    )
    uid = reader.file(_parts(f"{_TEXT}outer", inner))
    here = f"/webmail/{reader.id()}/{uid}"
    assert "?inside=2" in reader.page(here)
    page = reader.page(f"{here}?inside=2")
    assert '<h1 dir="auto">inner one</h1>' in page
    assert "inside" in page
    assert "Back to the message" in page
    assert reader.get(f"{here}?inside=1").status_code == 404
    assert reader.get(f"{here}?inside=9").status_code == 404


def test_a_delivery_report_says_for_whom_and_why(reader: Reader) -> None:
    # RFC 3464
    status = (
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a.test\r\n\r\n"
        "Final-Recipient: rfc822; ines@quay.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 no such mailbox"
    )
    uid = reader.file(_parts(f"{_TEXT}Sorry.", status, kind="report"))
    page = reader.page(f"/webmail/{reader.id()}/{uid}")
    for words in ("Sorry.", "Not delivered", "ines@quay.example", "550 no such mailbox"):
        assert words in page
    assert "Reporting-MTA" not in page


def test_who_it_went_to_is_said_shortly_and_in_full(reader: Reader) -> None:
    crowd = ", ".join(f"P{number} <p{number}@x.test>" for number in range(30))
    uid = reader.file(_mail(f"To: {crowd}", f"Cc: me <{reader.address.upper()}>"))
    page = reader.page(f"/webmail/{reader.id()}/{uid}")
    assert "<bdi>P0</bdi>, <bdi>P1</bdi>, <bdi>P2</bdi>" in page
    assert "28 more" in page
    assert "p29@x.test" in page
    assert "Reply all" in page


def test_an_answer_to_all_is_offered_where_it_goes_further(reader: Reader) -> None:
    uid = reader.file(_mail(f"To: {reader.address}"))
    page = reader.page(f"/webmail/{reader.id()}/{uid}", into="reader")
    assert "to you" in page
    assert page.count("Reply all") < reader.page(
        f"/webmail/{reader.id()}/{reader.file(_mail('To: other@x.test'))}", into="reader"
    ).count("Reply all")


def test_fields_are_shown_all_of_them_decoded(reader: Reader) -> None:
    uid = reader.file(_mail("X-Note: =?utf-8?q?gr=C3=BCn?= <b>", "Received: from a", "Received: b"))
    page = reader.page(f"/webmail/{reader.id()}/{uid}/fields")
    assert "grün &lt;b&gt;" in page
    assert page.count("<bdi>Received</bdi>") == 2


def test_the_source_is_what_came_octet_by_octet(reader: Reader) -> None:
    octets = _mail(body="caf\xe9 <script>") + b"\xff\x00\r\n"
    uid = reader.file(octets)
    here = f"/webmail/{reader.id()}/{uid}/source"
    shown, saved = reader.get(here), reader.get(f"{here}?save=1")
    assert shown.data == saved.data == octets
    assert shown.content_type == "text/plain; charset=utf-8"
    assert shown.headers["Content-Security-Policy"].startswith("sandbox")
    assert saved.content_type == "message/rfc822"
    assert saved.headers["Content-Disposition"] == f"attachment; filename=message-{uid}.eml"


def test_a_large_message_is_shown_from_its_file_and_cut(reader: Reader) -> None:
    uid = reader.file(_mail(body="word " * 200_000))
    page = reader.page(f"/webmail/{reader.id()}/{uid}")
    assert "The message is very long" in page
    assert len(page) < 700_000


def test_a_message_that_is_gone_is_404(reader: Reader) -> None:
    uid = reader.file()
    reader.box.expunge(reader.id(), [uid])
    for path in ("", "/body", "/fields", "/source", "/part/0", "/all.zip"):
        assert reader.get(f"/webmail/{reader.id()}/{uid}{path}").status_code == 404
    assert reader.get(f"/webmail/{reader.id()}/{2**70}").status_code == 404
    assert reader.get(f"/webmail/{2**70}/").status_code == 404
    assert reader.get(f"/webmail/{reader.id()}/{reader.file()}/part/7.7").status_code == 404


def test_ones_own_mail_says_where_blind_copies_went(reader: Reader) -> None:
    uid = reader.file(_mail("Bcc: secret@x.test"), Flag.SEEN, use=Use.SENT)
    page = reader.page(f"/webmail/{reader.id(Use.SENT)}/{uid}")
    assert "Blind copy to" in page
    assert "Filed here" in page


def test_nothing_of_webmail_is_kept_by_caches_or_framed_by_others(
    post: Post, reader: Reader
) -> None:
    uid = reader.file(letter())
    answer = reader.get(f"/webmail/{reader.id()}/{uid}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    anybody = post.app.test_client().get(f"/webmail/{reader.id()}/{uid}", base_url="https://m.test")
    assert anybody.status_code == 302
    assert "/webmail/login" in anybody.location
