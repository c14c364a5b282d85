"""Bad mail: copies of what could neither be delivered nor returned, for an operator (manual §6.2).

Each copy is two files, `ID.N.eml` with the message and `ID.N.json` with whom it was for and why it
lies here; N is the recipient's number in the envelope. A copy exists once its `.json` does.

Owns: the folder `badmail/`. Never: decides what belongs there.
Failure: OSError when the disk is full or broken; what is being given up stays in the queue then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.database.content import Content
from appliance.runtime.files import sync_folder, write_whole

_NAME = re.compile(r"[0-9A-Z]{16}\.[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BadMail:
    """A copy, and why it was made.

    Attributes:
        entry_id: the message's id.
        number: the recipient's place in the envelope.
        reverse_path: the envelope's; empty for the null reverse-path.
        recipient: the address it did not reach.
        subject: for lists.
        size: octets.
        reason: why, in a sentence.
        at_us: when it was given up.
    """

    entry_id: str
    number: int
    reverse_path: str
    recipient: str
    subject: str
    size: int
    reason: str
    at_us: int

    @property
    def name(self) -> str:
        """What it is called: `ID.N`."""
        return f"{self.entry_id}.{self.number}"


def save(directory: Path, copies: Sequence[BadMail], content: Content) -> None:
    """Keep copies of one message, durably; what an attempt that was cut off left is replaced.

    Args:
        directory: `badmail/` of the home.
        copies: one for each recipient; the octets are on the disk once.
        content: the message.

    Raises:
        OSError: they can't be kept.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    source = content.path
    for copy in copies:
        path = directory / f"{copy.name}.eml"
        if source is None or not _link(source, path):
            write_whole(path, content.chunks())
        source = path
    for copy in copies:
        text = json.dumps(dataclasses.asdict(copy), ensure_ascii=False, indent=1)
        write_whole(directory / f"{copy.name}.json", [text.encode()])
    sync_folder(directory)


def find(directory: Path, *, most: int = 100, after: str = "") -> list[BadMail]:
    """Return copies in the order their messages were accepted.

    Args:
        directory: `badmail/` of the home.
        most: how many at most.
        after: continue after this name.
    """
    if not directory.is_dir():
        return []
    names = sorted(path.stem for path in directory.glob("*.json"))
    found: list[BadMail] = []
    for name in names:
        if len(found) == most:
            break
        copy = read(directory, name) if name > after else None
        if copy is not None:
            found.append(copy)
    return found


def read(directory: Path, name: str) -> BadMail | None:
    """Return one copy's record; None when there is none of this name."""
    if not _NAME.fullmatch(name):
        return None
    try:
        text = (directory / f"{name}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return BadMail(**json.loads(text))


def content_of(directory: Path, name: str) -> Content | None:
    """Return one copy's message; None when there is none of this name."""
    found = read(directory, name)
    if found is None:
        return None
    path = directory / f"{name}.eml"
    return Content(path.stat().st_size, None, path)


def delete(directory: Path, name: str) -> bool:
    """Delete one copy; False when there is none of this name."""
    if read(directory, name) is None:
        return False
    for kind in ("json", "eml"):
        (directory / f"{name}.{kind}").unlink(missing_ok=True)
    sync_folder(directory)
    return True


def _link(source: Path, path: Path) -> bool:
    """Give a file another name, in place of copying it; False where that can't be done."""
    draft = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    try:
        os.link(source, draft)
    except OSError:  # another file system, or too many names
        return False
    draft.replace(path)
    draft.unlink(missing_ok=True)  # renaming does nothing when both are names of one file
    return True
