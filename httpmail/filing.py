"""MKCOL, DELETE, MOVE and COPY of one resource.

A message that is moved gets its name from the folder it comes to, so nothing is ever in its way,
whatever name a mail client proposes; Location says where it is. A message that is moved onto a
folder comes into it. Names of another form are generic clients' own and follow RFC 4918; only a
folder is never replaced by default, because mail would be lost by a rename.

Standards: RFC 4918 §9.3, §9.6, §9.8, §9.9.
Failure: `Refused`, the store's errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from appliance.journey.event import Kind
from appliance.store.folders import MAX_NAME
from appliance.store.message import Folder
from httpmail import properties, xml_in
from httpmail.answer import Answer, created
from httpmail.refusal import Refused
from httpmail.tree import Folders, MailFolder, MailMessage, Reserved, Resource
from httpmail.visit import Destination, Visit

_BATCH = 1000
_XML = ("text/xml", "application/xml")
_OWN_FORM = "The server chooses names of this form"

Transfer = Callable[[int, Sequence[int], int], dict[int, int]]


def mkcol(visit: Visit) -> Answer:
    """Make a folder; properties in the body are passed over, as Exchange's clients send some."""
    request = visit.request
    if request.octets(xml_in.MAX_OCTETS) and request.media_type not in _XML:
        raise Refused(415, "A folder is made without a body, or with one of XML")
    if visit.find(request.path) is not None:
        raise Refused(405, "The name is in use already")
    parent, segment = visit.parent(request.path)
    name = _name_below(parent, segment)
    visit.check_lock(parent)
    folder = visit.store.create_folder(name)
    visit.changed()
    return created(visit.folder_url(folder))


def delete(visit: Visit) -> Answer:
    """Delete a folder with all that is in it, or a message: for good."""
    visit.request.octets(xml_in.MAX_OCTETS)
    resource = visit.asked_for()
    visit.check_conditions(resource)
    visit.check_lock(visit.parent(visit.request.path)[0])
    visit.check_lock(resource, below=True)
    destroy(visit, resource)
    return Answer(200)


def destroy(visit: Visit, resource: Resource) -> None:
    """Delete something that may be deleted, with what clients have given it."""
    match resource:
        case MailFolder(folder=folder):
            for each in reversed(_with_inner(visit, folder)):
                visit.store.delete_folder(each.id)
                visit.given.forget_folder(each.id)
        case MailMessage():
            found = visit.store.expunge(resource.folder.id, [resource.listed.uid])
            visit.record(Kind.DELETED, [entry_id for _, entry_id in found])
            visit.given.forget(*resource.given_key)
        case Reserved():
            visit.given.forget(*resource.given_key)
        case _:
            raise Refused(403, "This can't be deleted")
    visit.unlock_all(resource)
    visit.changed()


def move(visit: Visit) -> Answer:
    """Move or rename a folder or a message."""
    return _transfer(visit, is_move=True)


def copy(visit: Visit) -> Answer:
    """Copy a folder or a message."""
    return _transfer(visit, is_move=False)


def _transfer(visit: Visit, *, is_move: bool) -> Answer:
    request = visit.request
    request.octets(xml_in.MAX_OCTETS)
    source = visit.asked_for()
    to = visit.destination(request.destination(), source)
    if not isinstance(source, MailFolder | MailMessage | Reserved):
        raise Refused(403, "This can't be moved or copied")
    visit.check_conditions(source)
    visit.check_conditions(to.target)
    if is_move:
        visit.check_lock(source, below=True)
        visit.check_lock(visit.parent(request.path)[0])
    visit.check_lock(to.target or to.parent, below=to.target is not None)
    if isinstance(source, MailFolder):
        return _transfer_folder(visit, source, to, is_move=is_move)
    return transfer_leaf(visit, source, to, is_move=is_move)


# ── messages ─────────────────────────────────────────────────────────────────────────────────────


def transfer_leaf(
    visit: Visit, source: MailMessage | Reserved, to: Destination, *, is_move: bool
) -> Answer:
    """Move or copy a message.

    Args:
        visit: the request.
        source: the message.
        to: where; the server chooses a name instead of one of a message's own form.
        is_move: or else a copy.

    Raises:
        Refused: that is in no folder, or it is that very message, or the name is in use and may
            not be replaced.
    """
    parent, name, target = to.parent, to.name, to.target
    if not isinstance(parent, MailFolder):
        raise Refused(409, "The destination is in no folder")
    if target is not None and target.get_ref_url() == source.get_ref_url():
        raise Refused(403, "A message can't be moved or copied onto itself")
    if not name or properties.is_message_name(name):
        if isinstance(source, Reserved):
            raise Refused(409, "There is no message of this name yet")
        uid = _transfer_uid(visit, source, parent, is_move=is_move)
        return created(parent.url + properties.message_name(parent.folder, uid))
    if target is not None and not visit.request.overwrite:
        raise Refused(412, "The name is in use already")
    before = source.given
    is_renamed = is_move and parent.folder.id == source.folder.id
    if isinstance(source, Reserved):
        uid = 0
    elif is_renamed:
        uid = source.listed.uid
    else:
        uid = _transfer_uid(visit, source, parent, is_move=is_move)
    if target is not None:
        destroy(visit, target)
    if is_move:
        visit.given.forget(*source.given_key)
        visit.unlock_all(source)
    visit.given.keep(parent.folder.id, name, uid, like=before)
    if target is not None:
        return Answer(204)
    return created(visit.request.url(parent.path + name))


def _transfer_uid(visit: Visit, source: MailMessage, parent: MailFolder, *, is_move: bool) -> int:
    """Move or copy a message; returns its new uid."""
    uid, folder_id = source.listed.uid, parent.folder.id
    if is_move:
        if folder_id == source.folder.id:
            raise Refused(403, "The message is in this folder already")
        found = visit.store.move(source.folder.id, [uid], folder_id)
        visit.given.forget(*source.given_key)
        visit.unlock_all(source)
    else:
        visit.check_quota(source.listed.size)
        found = visit.store.copy(source.folder.id, [uid], folder_id)
    visit.changed()
    if uid not in found:
        raise Refused(404, "The message has just been deleted")
    return found[uid]


# ── folders ──────────────────────────────────────────────────────────────────────────────────────


def _transfer_folder(visit: Visit, source: MailFolder, to: Destination, *, is_move: bool) -> Answer:
    """Move or copy a folder with what is in it."""
    request, target = visit.request, to.target
    wanted = _name_below(to.parent, to.name)
    is_self = isinstance(target, MailFolder) and target.folder.id == source.folder.id
    if is_self and (not is_move or wanted == source.folder.name):
        raise Refused(403, "A folder can't be moved or copied onto itself")
    if not is_self and f"{wanted}\\".casefold().startswith(f"{source.folder.name}\\".casefold()):
        raise Refused(403, "A folder can't be moved or copied into itself")
    pairs = _new_names(visit, source.folder, wanted)
    if target is not None and not is_self:
        if not request.overwrite or (
            isinstance(target, MailFolder) and not request.field("Overwrite")
        ):
            raise Refused(412, "The name is in use already")
        destroy(visit, target)
    if is_move:
        for folder, new in pairs:
            visit.store.rename_folder(folder.id, new)
        visit.unlock_all(source)
    else:
        if request.depth != "0":
            visit.check_quota(sum(folder.octets for folder, _ in pairs))
        for folder, new in pairs if request.depth != "0" else pairs[:1]:
            _copy_folder(visit, folder, new, with_messages=request.depth != "0")
    visit.changed()
    if target is not None and not is_self:
        return Answer(204)
    made = visit.find_folder([wanted])
    return created(request.url(request.destination()) if made is None else made.url)


def _copy_folder(visit: Visit, folder: Folder, name: str, *, with_messages: bool) -> None:
    made = visit.store.create_folder(name)
    if given := visit.given.find(folder.id, ""):
        visit.given.keep(made.id, "", 0, like=given)
    if not with_messages:
        return
    for uids in _uids(visit, folder):
        for uid, copied in visit.store.copy(folder.id, uids, made.id).items():
            called = visit.given.name_of(folder.id, uid)
            if called and not properties.is_message_name(called):
                like = visit.given.find(folder.id, called)
                visit.given.keep(made.id, called, copied, like=like)


def _uids(visit: Visit, folder: Folder) -> Iterator[list[int]]:
    """Yield the uids of a folder, a thousand at a time."""
    last = 0
    while batch := visit.store.every(folder.id, after_uid=last, most=_BATCH):
        yield [each.uid for each in batch]
        last = batch[-1].uid


def _with_inner(visit: Visit, folder: Folder) -> list[Folder]:
    """Return a folder and those in it, each before those in it."""
    prefix = f"{folder.name}\\".casefold()
    inner = [each for each in visit.folders if each.name.casefold().startswith(prefix)]
    return [folder, *sorted(inner, key=lambda each: each.name.count("\\"))]


def _new_names(visit: Visit, folder: Folder, wanted: str) -> list[tuple[Folder, str]]:
    """Return a folder and those in it with their new names.

    Raises:
        Refused: one of the names would be too long.
    """
    pairs = [(each, wanted + each.name[len(folder.name) :]) for each in _with_inner(visit, folder)]
    for _, name in pairs:
        if len(name) > MAX_NAME:
            raise Refused(403, f"A folder's name may have {MAX_NAME} characters")
    return pairs


def _name_below(parent: Resource | None, segment: str) -> str:
    """Return the whole name of a folder to be, by where it shall be.

    Raises:
        Refused: there can be no folder of that name there.
    """
    if properties.is_message_name(segment):
        raise Refused(403, _OWN_FORM)
    if isinstance(parent, Folders):
        return segment
    if not isinstance(parent, MailFolder):
        raise Refused(409, "There is no folder to make it in")
    if parent.folder.use:
        raise Refused(403, f"{parent.folder.name} can hold no folders")
    return f"{parent.folder.name}\\{segment}"
