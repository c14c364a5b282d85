"""PROPFIND: mail clients' questions first, then everybody's.

Mail clients send a Depth of 0, 1, `1,noroot` or none for the same question, or the one of their
last request; so it is the address and the properties asked for that decide: properties of mail on
the folders or on a folder mean what is in it, and not the thing itself. What they don't find they
can't tell from what is empty, so properties that aren't there are left out. Other WebDAV clients
get what RFC 4918 §9.1 says.

Failure: `Refused`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from wsgidav.dav_error import DAVError

from appliance.settings import httpmail as settings
from appliance.store.message import Use
from httpmail import xml_in
from httpmail.answer import Answer, multi_status
from httpmail.multistatus import MultiStatus, Value
from httpmail.properties import MESSAGE_PROPERTIES
from httpmail.refusal import Refused
from httpmail.tree import (
    FOLDERS,
    SENDMSG,
    Account,
    EmptyPlace,
    Folders,
    MailFolder,
    MailMessage,
    Resource,
    SendPlace,
)
from httpmail.visit import Visit
from httpmail.vocabulary import (
    ACCOUNT_PROPERTIES,
    DAV,
    HOTMAIL,
    HTTPMAIL,
    SPECIAL,
    is_httpmail,
)
from httpmail.xml_in import PropFind, Wanted

_DISPLAY_NAME = f"{{{DAV}}}displayname"
_ID = f"{{{DAV}}}id"
_NO_ADS = "AdPane=Off*"


def propfind(visit: Visit) -> Answer:
    """Answer a PROPFIND."""
    request = visit.request
    asked = xml_in.propfind(request.octets(xml_in.MAX_OCTETS))
    resource = visit.asked_for()
    visit.check_conditions(resource)
    answer = MultiStatus()
    try:
        if _is_discovery(visit, resource, asked):
            names = asked.names if asked.wanted is Wanted.NAMED else ACCOUNT_PROPERTIES
            _write_account(visit, answer, names)
        elif _is_mail(asked):
            for each in _of_mail(visit, resource, asked):
                answer.properties(each.url, _found(each, asked.names, _mail_property))
        else:
            for each in _in_depth(visit, resource):
                _write(visit, answer, each, asked)
        return multi_status(answer)
    except BaseException:
        answer.close()
        raise


# ── mail clients ─────────────────────────────────────────────────────────────────────────────────


def _is_discovery(visit: Visit, resource: Resource, asked: PropFind) -> bool:
    """Whether it is the question with which mail clients begin; they may also send no body."""
    if not isinstance(resource, Account):
        return False
    if asked.wanted is Wanted.NAMED:
        return any(is_httpmail(name) for name in asked.names)
    return asked.wanted is Wanted.ALL and visit.request.depth in (None, "0")


def _is_mail(asked: PropFind) -> bool:
    if asked.wanted is not Wanted.NAMED:
        return False
    return asked.is_legacy or any(map(is_httpmail, asked.names))


def _of_mail(visit: Visit, resource: Resource, asked: PropFind) -> Iterator[Resource]:
    """Yield what a mail client's question is about."""
    match resource:
        case Folders():
            for folder in visit.folders:
                yield MailFolder(folder, visit)
        case MailFolder() if MESSAGE_PROPERTIES.intersection(asked.names):
            for listed in resource.messages():
                yield MailMessage(resource, listed)
        case MailFolder() if not visit.request.no_root:  # how full it is; no folders are in it
            yield resource
        case MailMessage() | SendPlace():
            yield resource


def _mail_property(resource: Resource, name: str) -> Value:
    """Return a property as mail clients want it; None to leave it out."""
    if name == _DISPLAY_NAME and isinstance(resource, MailFolder):
        # clients that know the special folders by their role take a named one for another folder
        is_shown = _shows_names(resource.visit) or not resource.folder.use
        return resource.folder.name if is_shown else None
    if name == _ID and isinstance(resource, MailMessage):
        return resource.own_name
    return resource.property(name)


def _shows_names(visit: Visit) -> bool:
    """Whether special folders come with their names."""
    return visit.house.settings[settings.special_names]


def _write_account(visit: Visit, answer: MultiStatus, names: Iterable[str]) -> None:
    request = visit.request
    by_use = {folder.use: folder for folder in visit.folders if folder.use}
    known: dict[str, Value] = {
        f"{{{HOTMAIL}}}adbar": _NO_ADS,
        f"{{{HOTMAIL}}}maxpoll": str(visit.house.settings[settings.max_poll]),
        f"{{{HOTMAIL}}}sig": None,
        f"{{{HTTPMAIL}}}contacts": request.url("/contacts/"),
        f"{{{HTTPMAIL}}}outbox": request.url("/outbox/"),
        f"{{{HTTPMAIL}}}sendmsg": request.url(SENDMSG),
        f"{{{HTTPMAIL}}}msgfolderroot": request.url(FOLDERS),
        **{
            f"{{{HTTPMAIL}}}{SPECIAL[use]}": visit.folder_url(by_use[use])
            for use in (Use.INBOX, Use.SENT, Use.TRASH, Use.DRAFTS)
        },
    }
    answer.properties(request.url("/"), [(name, known[name]) for name in names if name in known])


# ── everybody ────────────────────────────────────────────────────────────────────────────────────


def _in_depth(visit: Visit, resource: Resource) -> Iterator[Resource]:
    """Yield the resource and, by Depth, what is in it (RFC 4918 §9.1)."""
    request = visit.request
    if request.depth not in (None, "0", "1", "infinity"):
        raise Refused(400, f"Depth can't be {request.depth}")
    if request.depth == "infinity" and resource.is_collection:  # type: ignore[attr-defined] # WsgiDAV's
        raise DAVError(403, err_condition=f"{{{DAV}}}propfind-finite-depth")
    if not request.no_root:
        yield resource
    if request.depth != "0" and not isinstance(resource, EmptyPlace):
        yield from resource.members()


def _write(visit: Visit, answer: MultiStatus, resource: Resource, asked: PropFind) -> None:
    href: str = resource.get_href()  # plain paths: some clients can't read whole addresses
    if asked.wanted is Wanted.NAMES:
        answer.properties(href, [(name, None) for name in resource.property_names()])
        return
    names = asked.names
    if asked.wanted is Wanted.ALL:
        names = tuple(dict.fromkeys((*resource.property_names(), *asked.names)))
    found = list(_found(resource, names, lambda each, name: each.property(name)))
    missing: list[tuple[int, str]] = []
    if not visit.request.is_brief and asked.wanted is Wanted.NAMED:
        known = {name for name, _ in found}
        missing = [(404, name) for name in names if name not in known]
    answer.properties(href, found, missing)


def _found(
    resource: Resource, names: Iterable[str], value_of: Callable[[Resource, str], Value]
) -> Iterator[tuple[str, Value]]:
    for name in names:
        value = value_of(resource, name)
        if value is not None:
            yield name, value
