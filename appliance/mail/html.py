"""HTML mail made fit to be shown, and made into text.

The first of two walls: what comes out here is shown in a sandboxed frame that runs no script. Our
own rules choose and rewrite; ammonia, a parser like a browser's, then removes whatever should have
got past them.

Standards: RFC 2392 (cid); the HTML standard.
Owns: nothing.
Never: let through what runs, or loads by itself; show what was hidden in style, script and title.
Failure: none; what isn't known is left out, its text stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import nh3

from appliance.mail import html_policy as policy
from appliance.mail.html_text import html_to_text
from appliance.mail.markup import Tag, tokens
from appliance.mail.nesting import VOID, Nesting

__all__ = ["BLOCKED_IMAGE", "MAX_HTML", "Sanitised", "html_to_text", "sanitise"]

MAX_HTML = 2 * 1024 * 1024  # characters that are shown
BLOCKED_IMAGE = "remote-image"  # the class of what stands for an image that is not loaded
_IMAGE_ADDRESS = re.compile(r"https?://|data:image/(?:png|gif|jpe?g|webp);base64,", re.IGNORECASE)
# Written by ammonia itself, so not asked of the policy.
_OWN = frozenset(("class", "loading", "referrerpolicy", "rel", "target"))
_IMAGE = (("loading", "lazy"), ("referrerpolicy", "no-referrer"))
_SCHEME = re.compile(r"\s*[^/?#]*:")


@dataclass(frozen=True, slots=True)
class Sanitised:
    """HTML that may be shown in a frame.

    Attributes:
        html: What goes inside of a body element.
        remote: How many images it would load from the web.
        is_cut: There was more than is shown.
    """

    html: str
    remote: int = 0
    is_cut: bool = False


def sanitise(html: str, *, cid: Mapping[str, str], remote_images: bool) -> Sanitised:
    """Keep of HTML mail what is harmless.

    Links open a new window and tell nothing of where they were; images from the web are left out,
    with their description in their place, or loaded without a referrer. Background images are
    always left out.

    Args:
        html: Of any size; 2 Mi characters are shown.
        cid: Content ids to the URLs that the images of the message have here.
        remote_images: Load images from the web.
    """
    writer = _Writer(cid, remote_images=remote_images)
    for token in tokens(html[:MAX_HTML]):
        writer.take(token)
    return Sanitised(
        html=_GATE.clean(writer.nesting.finish()),
        remote=writer.remote,
        is_cut=len(html) > MAX_HTML,
    )


class _Writer:
    def __init__(self, cid: Mapping[str, str], *, remote_images: bool) -> None:
        self.nesting = Nesting()
        self.remote = 0
        self._cid = cid
        self._remote_images = remote_images
        self._has_body = False

    def take(self, token: Tag | str) -> None:
        if isinstance(token, str):
            self.nesting.text(token)
        elif token.name == "body":
            self._body(token)
        elif token.name not in policy.TAGS:
            pass
        elif token.closes:
            if token.name == "br":  # browsers take </br> for <br>
                self.nesting.start("br")
            elif token.name not in VOID:
                self.nesting.end(token.name)
        elif token.name == "img":
            self._image(token)
        elif token.name != "a":
            self.nesting.start(token.name, _attributes(token))
        elif policy.link(token.attributes.get("href", "")) is not None:
            self.nesting.start("a", _attributes(token))

    def _body(self, token: Tag) -> None:
        """The colours of the whole are those of a block around it."""
        if token.closes or self._has_body:
            return
        self._has_body = True
        colours = (("background-color", "bgcolor"), ("color", "text"))
        old = "".join(f"{name}:{token.attributes.get(key, '')};" for name, key in colours)
        style = policy.style(old + token.attributes.get("style", ""))
        if style:
            self.nesting.start("body", [("style", style)], written_as="div")

    def _image(self, token: Tag) -> None:
        source = token.attributes.get("src", "").strip()
        if source[:4].lower() == "cid:":
            url = self._cid.get(source[4:]) or self._cid.get(unquote(source[4:]))
        else:
            url = policy.data_image(source)
            web = None if url else policy.web(source)
            self.remote += web is not None
            if web and not self._remote_images:
                self._blocked(token)
                return
            url = url or web
        if url:
            self.nesting.start("img", [("src", url), *_attributes(token), *_IMAGE])
        else:
            self.nesting.text(token.attributes.get("alt", "")[:1000])

    def _blocked(self, token: Tag) -> None:
        size = [token.attributes.get(name, "").removesuffix("px") for name in ("width", "height")]
        if any(length in ("0", "1", "2") for length in size):
            return  # it was there to be counted, not to be seen
        self.nesting.start("span", [("class", BLOCKED_IMAGE)])
        self.nesting.text(token.attributes.get("alt", "")[:1000])
        self.nesting.end("span")


def _attributes(token: Tag) -> Iterator[tuple[str, str]]:
    for name, value in token.attributes.items():
        written: str | None
        if name == "style":
            written = policy.style(value) or None
        elif name == "href":
            written = policy.link(value) if token.name == "a" else None
        else:
            written = policy.attribute(token.name, name, value)
        if written is not None:
            yield name, written


def _gate(tag: str, name: str, value: str) -> str | None:
    """What ammonia's lists can't say: which scheme goes where, and what a style may hold."""
    if name == "href":
        return policy.link(value)
    if name == "src":
        is_local = _SCHEME.match(value) is None and not value.startswith("//")
        return value if is_local or _IMAGE_ADDRESS.match(value) else None
    if name == "style":
        return policy.style(value) or None
    return value if name in _OWN else policy.attribute(tag, name, value)


# By tag, what is allowed beside the policy's attributes.
_APART = {"a": {"href"}, "img": {"loading", "referrerpolicy", "src"}}
_GATE = nh3.Cleaner(
    tags=set(policy.TAGS),
    clean_content_tags={"script", "style"},
    attributes={
        tag: {"style"} | names | _APART.get(tag, set()) for tag, names in policy.ATTRIBUTES.items()
    },
    attribute_filter=_gate,
    strip_comments=True,
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}, "img": dict(_IMAGE)},
    url_schemes={"http", "https", "mailto", "data"},
    allowed_classes={"span": {BLOCKED_IMAGE}},
    filter_style_properties=set(policy.PROPERTIES),
)
