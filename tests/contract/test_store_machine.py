"""The store under any sequence of calls: what is in it is what a plain dictionary would hold."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from appliance.operations.house import Config, House
from appliance.store.message import Delivery
from tests.support.clock import SetClock
from tests.support.letters import check_counters, delivery, entry, files, mails, named_files

BOXES = [(postoffice, mailbox) for postoffice in (1, 2) for mailbox in (11, 12)]

Box = tuple[int, int]
Call = tuple[int, list[Delivery]]


class StoreMachine(RuleBasedStateMachine):
    """Delivers, replays, deletes, forgets, sweeps, reopens; beside it a model in dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="posthouse-store-"))
        self.clock = SetClock()
        config = Config(self.folder / "home", "", self.folder / "key", "one")
        self.house = House(config, clock=self.clock)
        self.entries = 0
        self.calls: list[Call] = []
        self.delivered: set[str] = set()
        self.boxes: dict[Box, dict[int, bytes]] = {box: {} for box in BOXES}
        self.next_uid = dict.fromkeys(BOXES, 1)

    def teardown(self) -> None:
        self.house.close()
        shutil.rmtree(self.folder)

    def _deliver(self, call: Call) -> None:
        postoffice, copies = call
        expected = [copy.id not in self.delivered for copy in copies]
        assert self.house.store.deliver(postoffice, copies) == expected
        for copy, is_new in zip(copies, expected, strict=True):
            if is_new:
                box = (postoffice, copy.mailbox_id)
                self.boxes[box][self.next_uid[box]] = copy.prefix + copy.content.read()
                self.next_uid[box] += 1
                self.delivered.add(copy.id)

    @rule(
        to=st.lists(st.sampled_from(BOXES), min_size=1, max_size=5),
        large=st.booleans(),
        separately=st.booleans(),
        octets=st.binary(max_size=20),
    )
    def deliver_a_message(
        self, to: list[Box], large: bool, separately: bool, octets: bytes
    ) -> None:
        self.entries += 1
        entry_id = entry(self.entries)
        file = self.folder / entry_id if large else None
        by_postoffice: dict[int, list[Delivery]] = {}
        for number, (postoffice, mailbox) in enumerate(to):
            copy = delivery(
                *(entry_id, mailbox),
                number=number,
                of=len(to),
                octets=octets,
                prefix=b"%d: " % number,
                file=file,
            )
            by_postoffice.setdefault(postoffice, []).append(copy)
        for postoffice, copies in by_postoffice.items():
            calls = [[copy] for copy in copies] if separately else [copies]
            for together in calls:
                self.calls.append((postoffice, together))
                self._deliver((postoffice, together))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def repeat_a_call(self, data: st.DataObject) -> None:
        self._deliver(data.draw(st.sampled_from(self.calls)))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def repeat_calls_as_one(self, data: st.DataObject) -> None:
        postoffice, copies = data.draw(st.sampled_from(self.calls))
        others = [more for owner, more in self.calls if owner == postoffice and more is not copies]
        self._deliver((postoffice, [*copies, *(others[0] if others else [])]))

    @rule(box=st.sampled_from(BOXES), data=st.data())
    def delete_messages(self, box: Box, data: st.DataObject) -> None:
        status = self.house.store.inbox(*box)
        if status is None:
            return
        uids = data.draw(st.lists(st.integers(1, self.next_uid[box]), max_size=6))
        there = {uid for uid in uids if uid in self.boxes[box]}
        removed = self.house.store.expunge(box[0], status.id, uids)
        assert {uid for uid, _ in removed} == there
        assert len(removed) == len(there)
        for uid in there:
            del self.boxes[box][uid]

    @rule(box=st.sampled_from(BOXES))
    def remove_a_mailbox(self, box: Box) -> None:
        self.house.store.remove_mailbox(*box)
        self.boxes[box] = {}
        self.next_uid[box] = 1  # its folders go with it; their uid validity is new

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def close_an_entry(self, data: st.DataObject) -> None:
        """What the queue has closed is not delivered again, and may be forgotten."""
        _, copies = data.draw(st.sampled_from(self.calls))
        entry_id = copies[0].entry_id
        closed = [call for call in self.calls if call[1][0].entry_id == entry_id]
        self.calls = [call for call in self.calls if call not in closed]
        for postoffice, more in closed:
            self.house.store.forget_deliveries(postoffice, [copy.id for copy in more])
        (self.folder / entry_id).unlink(missing_ok=True)

    @rule()
    def sweep(self) -> None:
        self.clock.at_us = 4_000_000_000_000_000
        for postoffice in (1, 2):
            self.house.store.files(postoffice).sweep(self.clock.at_us / 1e6)
            assert files(self.house, postoffice) == named_files(self.house, postoffice)

    @rule()
    def reopen(self) -> None:
        self.house.close()

    @invariant()
    def the_mailboxes_hold_what_the_model_holds(self) -> None:
        for box, expected in self.boxes.items():
            assert mails(self.house, *box) == expected
            total = sum(len(octets) for octets in expected.values())
            assert self.house.store.usage(*box) == (len(expected), total)

    @invariant()
    def kept_numbers_equal_a_recount(self) -> None:
        for postoffice in (1, 2):
            check_counters(self.house, postoffice)

    @invariant()
    def every_named_file_is_there(self) -> None:
        for postoffice in (1, 2):
            assert named_files(self.house, postoffice) <= files(self.house, postoffice)


def test_store_holds_what_a_dictionary_would_hold() -> None:
    run_state_machine_as_test(
        StoreMachine, settings=settings(max_examples=20, stateful_step_count=25)
    )
