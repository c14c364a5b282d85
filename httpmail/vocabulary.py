"""The names of HTTPMail: namespaces, the prefixes clients look for, properties, methods.

Property names are written as XML tools do: `{namespace}local`.
"""

from __future__ import annotations

from appliance.store.message import Use

DAV = "DAV:"
HTTPMAIL = "urn:schemas:httpmail:"
MAILHEADER = "urn:schemas:mailheader:"
HOTMAIL = "http://schemas.microsoft.com/hotmail/"
CONTACTS = "urn:schemas:contacts:"

# Clients that look for text want these very letters.
PREFIXES = {DAV: "D", HTTPMAIL: "hm", MAILHEADER: "m", HOTMAIL: "h"}
# What a client may have forgotten to declare; the last is only ever read.
KNOWN_PREFIXES = {prefix: name for name, prefix in PREFIXES.items()} | {"c": CONTACTS}

READ = f"{{{HTTPMAIL}}}read"
LOCK_DISCOVERY = f"{{{DAV}}}lockdiscovery"
SUPPORTED_LOCK = f"{{{DAV}}}supportedlock"

# In the order Outlook Express asks for them.
ACCOUNT_PROPERTIES = tuple(
    f"{{{namespace}}}{local}"
    for namespace, local in (
        (HOTMAIL, "adbar"),
        (HTTPMAIL, "contacts"),
        (HTTPMAIL, "inbox"),
        (HTTPMAIL, "outbox"),
        (HTTPMAIL, "sendmsg"),
        (HTTPMAIL, "sentitems"),
        (HTTPMAIL, "deleteditems"),
        (HTTPMAIL, "drafts"),
        (HTTPMAIL, "msgfolderroot"),
        (HOTMAIL, "maxpoll"),
        (HOTMAIL, "sig"),
    )
)
_FOLDER_NAMES = ("isfolder", "hassubs", "nosubs", "visiblecount", "objectcount")
FOLDER_PROPERTIES = frozenset(
    (
        f"{{{HTTPMAIL}}}special",
        f"{{{HTTPMAIL}}}unreadcount",
        *tuple(f"{{{DAV}}}{local}" for local in _FOLDER_NAMES),
    )
)

SPECIAL = {
    Use.INBOX: "inbox",
    Use.DRAFTS: "drafts",
    Use.SENT: "sentitems",
    Use.TRASH: "deleteditems",
    Use.JUNK: "bulkmail",
}


def split_name(name: str) -> tuple[str, str]:
    """Split `{namespace}local`; a name without a namespace has an empty one."""
    if not name.startswith("{"):
        return "", name
    namespace, _, local = name[1:].partition("}")
    return namespace, local


def is_httpmail(name: str) -> bool:
    """Whether only a mail client asks for a property of this name."""
    namespace = split_name(name)[0]
    return namespace in (HTTPMAIL, MAILHEADER, HOTMAIL) or name in FOLDER_PROPERTIES
