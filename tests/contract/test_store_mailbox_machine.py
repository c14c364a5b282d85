"""Mailboxes under any sequence of calls: they hold, list and count what dictionaries would."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from appliance.database.content import INLINE_MAX
from appliance.mail.headers import scan
from appliance.operations.house import SCHEMAS, Config, House
from appliance.store import tables
from appliance.store.errors import FolderExists, FolderNotFound, FolderProtected
from appliance.store.mailbox import MailboxStore
from appliance.store.message import NO_FLAGS, STANDARD_FOLDERS, Flag, Order, Use
from appliance.store.sort_keys import correspondent_key, subject_key
from tests.support.boxes import file, letter, walk, walk_back
from tests.support.clock import SetClock
from tests.support.letters import check_counters, delivery, entry, files, named_files, query

BOXES = [(postoffice, mailbox) for postoffice in (1, 2) for mailbox in (11, 12)]
NAMES = ["work", "Work", "home", "drafts"]
LETTERS = [
    letter(subject, sender)
    for subject in ("apples", "Re: apples", "Zebra", "Ärger")
    for sender in ("Bob <bob@x.test>", "Émile <e@x.test>")
] + [letter("large", body="x" * INLINE_MAX)]

Box = tuple[int, int]


@dataclass(frozen=True)
class Held:
    octets: bytes
    flags: Flag
    received_at: int
    entry_id: str = ""


@dataclass
class Model:
    """A folder as a dictionary would keep it."""

    name: str
    use: str
    next_uid: int = 1
    messages: dict[int, Held] = field(default_factory=dict)
    filed: dict[str, int] = field(default_factory=dict)

    def add(self, held: Held) -> int:
        self.messages[self.next_uid] = held
        self.next_uid += 1
        return self.next_uid - 1

    def sorted_by(self, order: Order) -> list[int]:
        keys = {}
        for uid, held in self.messages.items():
            summary = scan(held.octets)
            keys[uid] = {
                Order.DATE: held.received_at,
                Order.SENDER: correspondent_key(summary, self.use),
                Order.SUBJECT: subject_key(summary),
                Order.SIZE: len(held.octets),
            }[order]
        return sorted(keys, key=lambda uid: (keys[uid], uid))


class MailboxMachine(RuleBasedStateMachine):
    """Does what people, clients and the connector do with four mailboxes of two post offices."""

    database_url = ""

    def __init__(self) -> None:
        super().__init__()
        if self.database_url:
            empty(self.database_url)
        self.path = Path(tempfile.mkdtemp(prefix="posthouse-store-"))
        self.clock = SetClock()
        config = Config(self.path / "home", self.database_url, self.path / "key", "one")
        self.house = House(config, clock=self.clock)
        self.entries = 0
        self.boxes: dict[Box, dict[int, Model]] = {box: {} for box in BOXES}
        for box in BOXES:
            for folder in self.store(box).folders():
                self.boxes[box][folder.id] = Model(folder.name, folder.use)

    def teardown(self) -> None:
        self.house.close()
        shutil.rmtree(self.path)

    def store(self, box: Box) -> MailboxStore:
        return self.house.store.mailbox(*box)

    def any_folder(self, data: st.DataObject, box: Box) -> int:
        folder_id: int = data.draw(st.sampled_from(sorted(self.boxes[box])))
        return folder_id

    def any_uids(self, data: st.DataObject, model: Model) -> list[int]:
        uids: list[int] = data.draw(st.lists(st.integers(1, model.next_uid), max_size=5))
        return uids

    # rules

    @rule(box=st.sampled_from(BOXES), octets=st.sampled_from(LETTERS), seconds=st.integers(0, 1))
    def deliver(self, box: Box, octets: bytes, seconds: int) -> None:
        self.clock.advance(seconds)
        self.entries += 1
        copy = delivery(entry(self.entries), box[1], octets=octets)
        self.house.store.deliver(box[0], [copy])
        inbox = next(each for each in self.boxes[box].values() if each.use == Use.INBOX)
        inbox.add(Held(octets, NO_FLAGS, self.clock.at_us, copy.entry_id))

    @rule(
        box=st.sampled_from(BOXES),
        octets=st.sampled_from(LETTERS),
        flags=st.sampled_from([NO_FLAGS, Flag.SEEN, Flag.DRAFT | Flag.SEEN]),
        key=st.sampled_from(["", "", "form 1", "form 2"]),
        replaces=st.none() | st.integers(1, 5),
        data=st.data(),
    )
    def file_a_message(
        self,
        *,
        box: Box,
        octets: bytes,
        flags: Flag,
        key: str,
        replaces: int | None,
        data: st.DataObject,
    ) -> None:
        folder_id = self.any_folder(data, box)
        model = self.boxes[box][folder_id]
        uid = file(self.store(box), folder_id, octets, flags=flags, key=key, replaces=replaces)
        if key in model.filed:
            assert uid == model.filed[key]
            return
        if replaces is not None:
            model.messages.pop(replaces, None)
        assert uid == model.add(Held(octets, flags, self.clock.at_us))
        if key:
            model.filed[key] = uid

    @rule(
        box=st.sampled_from(BOXES),
        add=st.sampled_from([NO_FLAGS, Flag.SEEN, Flag.FLAGGED | Flag.ANSWERED]),
        remove=st.sampled_from([NO_FLAGS, Flag.DRAFT, Flag.FORWARDED]),
        data=st.data(),
    )
    def flag(self, box: Box, add: Flag, remove: Flag, data: st.DataObject) -> None:
        folder_id = self.any_folder(data, box)
        model = self.boxes[box][folder_id]
        uids = self.any_uids(data, model)
        modseq = self.store(box).folder(folder_id).modseq
        changed = 0
        for uid in set(uids) & set(model.messages):
            held = model.messages[uid]
            flags = (held.flags | add) & ~remove
            changed += flags != held.flags
            model.messages[uid] = replace(held, flags=flags)
        assert self.store(box).flag(folder_id, uids, add=add, remove=remove) == changed
        assert self.store(box).folder(folder_id).modseq == modseq + (changed > 0)

    @rule(box=st.sampled_from(BOXES), copies=st.booleans(), data=st.data())
    def carry(self, box: Box, copies: bool, data: st.DataObject) -> None:
        source_id, target_id = self.any_folder(data, box), self.any_folder(data, box)
        source, target = self.boxes[box][source_id], self.boxes[box][target_id]
        uids = self.any_uids(data, source)
        there = [uid for uid in sorted(set(uids)) if uid in source.messages]
        held = {uid: source.messages[uid] for uid in there}
        if copies:
            found = self.store(box).copy(source_id, uids, target_id)
        else:
            found = self.store(box).move(source_id, uids, target_id)
            if source is target:
                assert found == {uid: uid for uid in there}
                return
            for uid in there:
                del source.messages[uid]
        assert found == {uid: target.add(held[uid]) for uid in there}

    @rule(box=st.sampled_from(BOXES), as_pop3=st.booleans(), data=st.data())
    def expunge(self, box: Box, as_pop3: bool, data: st.DataObject) -> None:
        folder_id = self.any_folder(data, box)
        model = self.boxes[box][folder_id]
        uids = self.any_uids(data, model)
        if as_pop3:
            found = self.house.store.expunge(box[0], folder_id, uids)
        else:
            found = self.store(box).expunge(folder_id, uids)
        there = sorted(set(uids) & set(model.messages))
        assert found == [(uid, model.messages.pop(uid).entry_id) for uid in there]

    @rule(box=st.sampled_from(BOXES), data=st.data())
    def empty_a_folder(self, box: Box, data: st.DataObject) -> None:
        folder_id = self.any_folder(data, box)
        model = self.boxes[box][folder_id]
        assert self.store(box).empty(folder_id) == len(model.messages)
        model.messages.clear()

    @rule(box=st.sampled_from(BOXES), name=st.sampled_from(NAMES))
    def create_a_folder(self, box: Box, name: str) -> None:
        models = self.boxes[box].values()
        if any(each.name.casefold() == name.casefold() for each in models):
            with pytest.raises(FolderExists):
                self.store(box).create_folder(name)
            return
        folder = self.store(box).create_folder(name)
        assert all(folder.id not in models for models in self.of_the_same_database(box))
        self.boxes[box][folder.id] = Model(name, "")

    @rule(box=st.sampled_from(BOXES), name=st.sampled_from(NAMES), data=st.data())
    def rename_a_folder(self, box: Box, name: str, data: st.DataObject) -> None:
        folder_id = self.any_folder(data, box)
        model = self.boxes[box][folder_id]
        others = [each for other, each in self.boxes[box].items() if other != folder_id]
        error = (
            FolderProtected
            if model.use
            else FolderExists
            if any(each.name.casefold() == name.casefold() for each in others)
            else None
        )
        if error is None:
            self.store(box).rename_folder(folder_id, name)
            model.name = name
        else:
            with pytest.raises(error):
                self.store(box).rename_folder(folder_id, name)

    @rule(box=st.sampled_from(BOXES), data=st.data())
    def delete_a_folder(self, box: Box, data: st.DataObject) -> None:
        folder_id = self.any_folder(data, box)
        if self.boxes[box][folder_id].use:
            with pytest.raises(FolderProtected):
                self.store(box).delete_folder(folder_id)
            return
        self.store(box).delete_folder(folder_id)
        del self.boxes[box][folder_id]

    @rule(
        box=st.sampled_from(BOXES),
        order=st.sampled_from(Order),
        descending=st.booleans(),
        most=st.integers(1, 4),
        data=st.data(),
    )
    def turn_over_the_pages(
        self, box: Box, order: Order, descending: bool, most: int, data: st.DataObject
    ) -> None:
        folder_id = self.any_folder(data, box)
        model = self.boxes[box][folder_id]
        pages = walk(self.store(box), folder_id, order=order, descending=descending, most=most)
        listed = [each for page in pages for each in page.messages]
        assert [each.uid for each in listed] == model.sorted_by(order)[:: -1 if descending else 1]
        back = walk_back(
            *(self.store(box), folder_id, pages[-1]),
            order=order,
            descending=descending,
            most=most,
        )
        assert back == pages
        for each in listed:
            held = model.messages[each.uid]
            assert (each.flags, each.received_at) == (held.flags, held.received_at)
            assert (each.size, each.summary) == (len(held.octets), scan(held.octets))

    @rule(box=st.sampled_from(BOXES), other=st.sampled_from(BOXES), data=st.data())
    def look_into_somebody_elses_folder(self, box: Box, other: Box, data: st.DataObject) -> None:
        folder_id = self.any_folder(data, other)
        if folder_id in self.boxes[box]:  # on SQLite each post office numbers its own
            return
        store = self.store(box)
        for call in (store.folder, store.page, store.every, store.empty, store.delete_folder):
            with pytest.raises(FolderNotFound):
                call(folder_id)

    @rule(box=st.sampled_from(BOXES))
    def remove_a_mailbox(self, box: Box) -> None:
        self.house.store.remove_mailbox(*box)
        found = self.store(box).folders()
        self.boxes[box] = {each.id: Model(each.name, each.use) for each in found}

    @rule()
    def tidy_up(self) -> None:
        now_us = self.clock.at_us
        self.clock.at_us = 4_000_000_000_000_000
        for postoffice in (1, 2):
            self.house.store.files(postoffice).sweep(self.clock.at_us / 1e6)
            assert files(self.house, postoffice) == named_files(self.house, postoffice)
            assert self.house.store.remove_deleted_folders(postoffice) == 0
        self.clock.at_us = now_us

    @rule()
    def reopen(self) -> None:
        self.house.close()

    # what holds at all times

    @invariant()
    def mailboxes_hold_what_the_model_holds(self) -> None:
        for box, models in self.boxes.items():
            store = self.store(box)
            folders = store.folders()
            assert {each.id: (each.name, each.use) for each in folders} == {
                folder_id: (model.name, model.use) for folder_id, model in models.items()
            }
            assert [each.name for each in folders[:5]] == [name for name, _ in STANDARD_FOLDERS]
            for folder in folders:
                held = models[folder.id].messages
                assert folder.next_uid == models[folder.id].next_uid
                assert folder.messages == len(held)
                assert folder.unread == sum(not each.flags & Flag.SEEN for each in held.values())
                assert folder.octets == sum(len(each.octets) for each in held.values())
            assert store.usage() == (
                sum(each.messages for each in folders),
                sum(each.octets for each in folders),
            )

    @invariant()
    def messages_are_read_as_they_were_written(self) -> None:
        for box, models in self.boxes.items():
            for folder_id, model in models.items():
                for uid, held in model.messages.items():
                    message = self.store(box).message(folder_id, uid)
                    assert message is not None
                    assert message.read() == held.octets
                    assert (message.flags, message.entry_id) == (held.flags, held.entry_id)

    @invariant()
    def kept_numbers_equal_a_recount(self) -> None:
        for postoffice in (1, 2):
            check_counters(self.house, postoffice)

    @invariant()
    def sort_keys_are_those_of_the_messages_there(self) -> None:
        o, m, f = tables.orders.c, tables.messages.c, tables.folders.c
        for postoffice in (1, 2):
            kept = query(self.house, postoffice, select(o.folder_id, o.uid))
            sorted_up_to = (m.folder_id == f.id) & (m.uid <= f.ordered_uid)
            there = select(m.folder_id, m.uid).join(tables.folders, sorted_up_to)
            assert sorted(kept) == sorted(query(self.house, postoffice, there))

    def of_the_same_database(self, box: Box) -> list[dict[int, Model]]:
        return [
            models
            for other, models in self.boxes.items()
            if self.database_url or other[0] == box[0]
        ]


def empty(url: str) -> None:
    """Empty the store's tables on PostgreSQL."""
    names = ", ".join(table.name for table in SCHEMAS["store"].metadata.sorted_tables)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {names} RESTART IDENTITY")


def test_mailboxes_hold_what_dictionaries_would_hold(database_url: str) -> None:
    class Machine(MailboxMachine):
        pass

    Machine.database_url = database_url
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=8 if database_url else 20, stateful_step_count=20, deadline=None
        ),
    )
