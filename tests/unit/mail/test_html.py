"""HTML mail made harmless: what runs, loads or covers is gone, what is ordinary stays."""

from __future__ import annotations

import pytest

from appliance.mail import html_policy
from appliance.mail.html import MAX_HTML, Sanitised, sanitise
from tests.fuzz.fuzz_html import check

RIGHT = 'target="_blank" rel="noopener noreferrer nofollow"'
IMAGE = 'loading="lazy" referrerpolicy="no-referrer"'
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


def clean(source: str) -> str:
    return sanitise(source, cid={}, remote_images=False).html


ATTACKS = [
    # scripts, and what hides them
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script/x>alert(1)</script >",
    "<script>alert(1)",
    "<<script>alert(1);//<</script>",
    "<script\x00>alert(1)</script>",
    "<!--><script>alert(1)</script>-->",
    "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<xmp><p title='</xmp><script>alert(1)</script>'>",
    "<plaintext><script>alert(1)</script>",
    # handlers
    "<img src=x onerror=alert(1)>",
    "<img src=x:x onerror\x0c=alert(1)>",
    "<img/src='x'/onerror=alert(1)>",
    "<img src=`x`onerror=alert(1)>",
    '<img """><script>alert(1)</script>">',
    "<body onload=alert(1) onfocus=alert(1)>",
    "<p onclick=alert(1) ONMOUSEOVER='alert(1)'>x</p>",
    "<div style='x' style=y onwheel=alert(1)>x</div>",
    "<a href='#' onclick=alert(1)>x</a>",
    "<table onload=alert(1)><td onfocus=alert(1) tabindex=1 autofocus>x</table>",
    "<details open ontoggle=alert(1)>x</details>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<video><source onerror=alert(1)></video><audio src onloadstart=alert(1)>",
    "<input autofocus onfocus=alert(1)><select onchange=alert(1)><option>x</select>",
    # addresses that run
    "<a href=javascript:alert(1)>x</a>",
    "<a href=' \x01javascript:alert(1)'>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href='jav&#x0A;ascript:alert(1)'>x</a>",
    "<a href='&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;alert(1)'>x</a>",
    "<a href='java&Tab;script&colon;alert(1)'>x</a>",
    "<a href='JaVaScRiPt:alert(1)'>x</a>",
    "<a href='\u0001\u0002javascript:alert(1)'>x</a>",
    "<a href=data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==>x</a>",
    "<a href='vbscript:msgbox(1)'>x</a>",
    "<a href='feed:javascript:alert(1)'>x</a>",
    "<a href='http:javascript:alert(1)'>x</a>",
    "<a href='//evil.example/'>x</a><a href='/settings'>y</a><a href='\\\\evil\\x'>z</a>",
    "<a href='https:\\\\evil.example'>x</a>",
    "<img src=javascript:alert(1)>",
    "<img src='data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+'>",
    "<img src='data:text/html,<script>alert(1)</script>'>",
    "<img dynsrc='javascript:alert(1)' lowsrc='javascript:alert(1)'>",
    "<img src='file:///etc/passwd'><img src='\\\\evil\\share\\x.png'>",
    # what loads by itself
    "<img srcset='https://evil.example/a 1x, https://evil.example/b 2x'>",
    "<picture><source srcset='https://evil.example/a'><img src=cid:none></picture>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<base href='https://evil.example/'><a href=x>x</a>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<iframe src=https://evil.example></iframe><iframe srcdoc='<script>alert(1)</script>'>",
    "<frameset><frame src=https://evil.example></frameset>",
    "<object data=https://evil.example></object><embed src=https://evil.example>",
    "<applet code=x></applet><isindex action=javascript:alert(1) type=image>",
    "<table background='javascript:alert(1)'><td background='https://evil.example/x'>x</table>",
    "<video poster=https://evil.example src=https://evil.example>",
    "<a ping=https://evil.example href=https://a.example>x</a>",
    # forms
    "<form action=javascript:alert(1)><input type=submit><button formaction=javascript:x>y</form>",
    "<form id=x></form><button form=x formaction='https://evil.example'>x</button>",
    "<textarea><script>alert(1)</script></textarea>",
    # styles
    "<style>@import 'https://evil.example'; p { color: red }</style><p>x",
    "<style><img src='</style><img src=x onerror=alert(1)>'>",
    "<p style='width:expression(alert(1))'>x</p>",
    "<p style='background:url(javascript:alert(1))'>x</p>",
    "<p style='background-image:url(https://evil.example/x)'>x</p>",
    "<p style='-moz-binding:url(https://evil.example/x.xml#a)'>x</p>",
    "<p style='behavior:url(x.htc)'>x</p>",
    "<p style='color:ex\\70ression(alert(1))'>x</p>",
    "<p style='color:/**/expression/**/(alert(1))'>x</p>",
    "<p style='@import \"https://evil.example\"'>x</p>",
    "<p style='list-style:url(https://evil.example)'>x</p>",
    "<p style='content:url(https://evil.example);cursor:url(x)'>x</p>",
    "<div style='position:fixed;top:0;left:0;width:100%;height:100%;z-index:9'>x</div>",
    "<div style='margin-left:-9999px;margin:0 -1px;text-indent:-.5em'>x</div>",
    "<div style='transform:scale(99);opacity:0;inset:0;pointer-events:none'>x</div>",
    "<p style='color:red}*{color:blue'>x</p>",
    "<p style='color:var(--x);width:env(a);--y:url(x)'>x</p>",
    # other languages within, and markup that changes when it is parsed twice
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)>#x'/></svg>",
    "<svg><animate attributeName=href values=javascript:alert(1) /></svg>",
    '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">',
    '<math><mtext><mglyph><style><!--</style><img title="--&gt;&lt;img src onerror=x&gt;">',
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<math><annotation-xml encoding='text/html'><style><img src=x onerror=alert(1)></style>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<noembed><p title='</noembed><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<title><p title='</title><img src=x onerror=alert(1)>'>",
    "<select><template><style></template></select><img src=x onerror=alert(1)>",
    "<table><caption><svg><style><table><img src=x onerror=alert(1)></style>",
    "<p title='&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;'>x</p>",
    '<p title="\'><script>alert(1)</script>">x</p>',
    "<img alt='\"><script>alert(1)</script>' src=https://evil.example/x>",
    "<a title='`onmouseover=alert(1)`' href=https://a.example/`onclick=alert(1)>x</a>",
    "<dialog open>x</dialog><portal src=https://evil.example></portal><slot name=x>",
    "<p id=forms name=body class=toolbar contenteditable is=x slot=y part=z>x</p>",
]


@pytest.mark.parametrize("source", ATTACKS)
def test_nothing_that_runs_or_loads_is_left(source: str) -> None:
    for surrounded in (source, f"<p>{source}", f"<table><tr><td>{source}</table>", f"<b>{source}"):
        for remote_images in (False, True):
            shown = sanitise(surrounded, cid={}, remote_images=remote_images).html
            check(shown)
            # A second parser must not find more than the first.
            check(clean(shown))


@pytest.mark.parametrize("source", ATTACKS)
def test_text_of_scripts_and_styles_is_not_shown(source: str) -> None:
    if "<script>alert(1)</script>" in source and "plaintext" not in source:
        assert "alert(1)</" not in clean(f"<p>{source}")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a &amp; b &lt;c&gt; &copy; &nbsp;", "a &amp; b &lt;c&gt; © &nbsp;"),
        ("<p>a<p>b", "<p>a</p><p>b</p>"),
        ("<ul><li>a<li>b</ul>", "<ul><li>a</li><li>b</li></ul>"),
        ("<b>a<i>b</b>c</i>", "<b>a<i>b</i></b>c"),
        ("<o:p>a</o:p><center>b</center>", "a<center>b</center>"),
        ("a</br>b<br/>c<hr>", "a<br>b<br>c<hr>"),
        ("<html><head><title>x</title></head><body>a</body></html>", "a"),
        ("<!-- a --><!DOCTYPE html>b<![if !mso]>c<![endif]>", "bc"),
        (
            '<table border=0 cellpadding="2" width=100% bgcolor=#fff><td align=center colspan=2>a',
            (
                '<table border="0" cellpadding="2" width="100%" bgcolor="#fff"><tbody><tr>'
                '<td align="center" colspan="2">a</td></tr></tbody></table>'
            ),
        ),
        (
            "<font color=red face='Arial, \"Sans\"' size=+1>a</font>",
            '<font color="red" face="Arial, &quot;Sans&quot;" size="+1">a</font>',
        ),
        ("<p align=a1 bgcolor='url(x)' width='expression(1)' dir=rtl>a</p>", '<p dir="rtl">a</p>'),
        ("<td colspan=99999>a", "a"),
        (
            "<img src='" + PIXEL + "' width=10px height=5>",
            f'<img src="{PIXEL}" width="10" height="5" {IMAGE}>',
        ),
    ],
)
def test_ordinary_markup_stays(source: str, expected: str) -> None:
    assert clean(source) == expected


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("color: red; Font-Size:12pt", "color:red;font-size:12pt"),
        ("font-family: 'Segoe UI', serif", "font-family:'Segoe UI', serif"),
        ("background: #fff url(https://evil.example/x) no-repeat", "background-color:#fff"),
        ("background: rgba(0, 0, 0, .5)", "background-color:rgba(0, 0, 0, .5)"),
        ("background: url(x) red; color: blue", "color:blue"),
        ("width: calc(100% - 2px) !important", "width:calc(100% - 2px) !important"),
        ("margin: 0 auto; margin-top: -1px", "margin:0 auto"),
        ("border: 1px solid #ccc; mso-hide: all; float: left", "border:1px solid #ccc;float:left"),
        ("color: red; filter: alpha(opacity=0)", "color:red"),
        ("color:#1e90ff;background:#e5e5e5", "color:#1e90ff;background-color:#e5e5e5"),
        ("margin:0 1.5em;width:20ex;height:100e", "margin:0 1.5em;width:20ex"),
        ("font-family: Burlington; width: expression", "font-family:Burlington"),
        ("font-family: 'unclosed", ""),
        ("color", ""),
        ("", ""),
    ],
)
def test_styles_are_kept_where_they_only_colour_and_arrange(style: str, expected: str) -> None:
    assert html_policy.style(style) == expected
    assert (" style=" in clean(f'<p style="{style}">a</p>')) is bool(expected)


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://example.com/?a=1&amp;b=2#c", "https://example.com/?a=1&amp;b=2#c"),
        ("  http://example.com/a b ", "http://example.com/a%20b"),
        ("HTTPS://example.com/?a=1&copy=2", "HTTPS://example.com/?a=1&amp;copy=2"),
        ("mailto:bob@example.com?subject=a%20b", "mailto:bob@example.com?subject=a%20b"),
    ],
)
def test_links_open_elsewhere_and_tell_nothing(url: str, written: str) -> None:
    assert clean(f'<a href="{url}">a</a>') == f'<a href="{written}" {RIGHT}>a</a>'


def test_remote_images_are_left_out_and_counted() -> None:
    source = (
        "<img src=https://a.example/1.png alt='a cat'><IMG SRC=//a.example/2.png>"
        "<img src=http://a.example/track.gif width=1 height=1 alt=no><img src=data:x><img alt=b>"
    )
    assert sanitise(source, cid={}, remote_images=False) == Sanitised(
        '<span class="remote-image">a cat</span><span class="remote-image"></span>b', remote=3
    )


def test_remote_images_are_loaded_without_a_referrer() -> None:
    source = "<img src=https://a.example/1.png alt='a cat' srcset=x><img src=//a.example/2.png>"
    assert sanitise(source, cid={}, remote_images=True) == Sanitised(
        f'<img src="https://a.example/1.png" alt="a cat" {IMAGE}>'
        f'<img src="https://a.example/2.png" {IMAGE}>',
        remote=2,
    )


def test_images_of_the_message_have_the_addresses_they_are_given() -> None:
    cid = {"a@b": "/part/1", "c": "/part/2?x=1&y=2"}
    source = "<img src=cid:a@b><img src=CID:a%40b><img src='cid:c' alt=c><img src=cid:d alt=d>"
    assert sanitise(source, cid=cid, remote_images=False) == Sanitised(
        f'<img src="/part/1" {IMAGE}><img src="/part/1" {IMAGE}>'
        f'<img src="/part/2?x=1&amp;y=2" alt="c" {IMAGE}>d'
    )


def test_background_images_are_never_loaded() -> None:
    source = (
        "<body background=https://a.example/x><table background=https://a.example/x>"
        "<td style='background-image:url(https://a.example/x);color:red'>a"
    )
    shown = sanitise(source, cid={}, remote_images=True)
    assert "a.example" not in shown.html
    assert shown.remote == 0


def test_colours_of_the_body_are_kept_around_it() -> None:
    source = "<html><body bgcolor=#000 text=white style='font-family:serif'><p>a</div>b</body>c"
    assert clean(source) == (
        '<div style="background-color:#000;color:white;font-family:serif"><p>abc</p></div>'
    )


def test_end_of_a_very_long_text_is_left_out() -> None:
    shown = sanitise("x" * (MAX_HTML + 1), cid={}, remote_images=False)
    assert (len(shown.html), shown.is_cut) == (MAX_HTML, True)
    assert not sanitise("x" * 100, cid={}, remote_images=False).is_cut


@pytest.mark.parametrize(
    "source",
    [
        "<div>" * 100_000,
        "<b>" * 100_000,
        "<li>" * 100_000,
        "<ul><li>" * 50_000,
        "<a>" * 100_000,
        "<p><font color=red>" * 30_000,
        "<table><tr><td>" * 30_000,
        "<table><b>" * 50_000,
        "<p>" + "".join(f"<font color=c{i}>" for i in range(1000)) + "</p>" + "<p>x" * 50_000,
        "<table>" + "".join(f"<i title={i}>" for i in range(1000)) + "<tr>x" * 50_000,
        '<a "' * 100_000,
        "<" * 300_000,
        "<!--" * 100_000,
        "<a b='\"" * 100_000,
        "&" * 500_000,
        "& " * 250_000,
        "&<" * 200_000,
        "<table>" + "& " * 200_000,
        "\xa0" * 500_000,
        f"<p style='{'color:red;' * 50_000}'>",
        "<p" + " a=b" * 100_000 + ">",
    ],
    ids=lambda source: source[:20],
)
def test_markup_made_to_grow_or_to_be_slow_does_neither(source: str) -> None:
    assert len(clean(source)) < 8 * len(source)
