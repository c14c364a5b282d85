from __future__ import annotations

from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from appliance.operations.settings import HIDDEN, SettingValue
from appliance.settings import catalogue, log, relay, retry, smarthost, smtp
from appliance.settings.setting import Setting
from webadmin.server.controls import (
    SECTIONS,
    Change,
    changes,
    control_of,
    field,
    sections,
    value_text,
)


def _value(setting: Setting[Any], value: str | None = None, **more: object) -> SettingValue:
    text = setting.kind.render(setting.default) if value is None else value
    values: dict[str, Any] = {
        "value": text,
        "is_default": value is None,
        "server_value": text,
        "is_own": False,
    }
    return SettingValue(setting=setting, **(values | more))


def _form(*pairs: tuple[str, str]) -> MultiDict[str, str]:
    return MultiDict(pairs)


def _shown(name: str) -> tuple[str, str]:
    return f"{name}:shown", "yes"


def test_every_section_of_the_catalogue_has_a_title() -> None:
    assert {each.section for each in catalogue.every()} <= SECTIONS.keys()
    assert list(dict.fromkeys(sections())) == sections()


@pytest.mark.parametrize("setting", catalogue.every(), ids=lambda each: each.name)
def test_a_form_sent_as_it_was_shown_changes_nothing(setting: Setting[Any]) -> None:
    shown = _value(setting)
    made = field(shown)
    pairs = [_shown(setting.name)]
    if made.control.shape == "many":
        pairs += [(setting.name, word) for word in made.chosen]
    elif made.control.shape != "switch" or made.typed == "yes":
        pairs += [(setting.name, made.typed)]
    assert changes([shown], _form(*pairs)) == []


@pytest.mark.parametrize(
    ("setting", "shape"),
    [
        (relay.enabled, "switch"),
        (smtp.max_recipients, "number"),
        (retry.first, "line"),
        (log.w3c_rollover, "choice"),
        (log.w3c_fields, "many"),
        (relay.privileged_ranges, "lines"),
        (smarthost.password, "secret"),
    ],
    ids=lambda each: getattr(each, "name", each),
)
def test_a_kind_decides_the_control(setting: Setting[Any], shape: str) -> None:
    assert control_of(setting).shape == shape


def test_a_number_knows_its_bounds() -> None:
    kind: Any = smtp.max_recipients.kind
    control = control_of(smtp.max_recipients)
    assert (control.minimum, control.maximum) == (kind.minimum, kind.maximum)


def test_what_is_not_on_the_page_is_left_alone() -> None:
    assert changes([_value(relay.enabled, "yes")], _form()) == []


def test_a_switch_that_is_not_sent_is_off() -> None:
    form = _form(_shown("relay.enabled"))
    assert changes([_value(relay.enabled, "yes")], form) == [
        Change("relay.enabled", "no", "server")
    ]


def test_the_same_value_written_otherwise_is_no_change() -> None:
    form = _form(_shown("retry.first"), ("retry.first", "60m"))
    assert changes([_value(retry.first, "1h")], form) == []


def test_a_wrong_value_is_a_change_that_the_operation_will_refuse() -> None:
    form = _form(_shown("retry.first"), ("retry.first", "soon"))
    assert changes([_value(retry.first)], form) == [Change("retry.first", "soon", "server")]


def test_lines_are_words_again() -> None:
    form = _form(
        _shown("relay.privileged_ranges"), ("relay.privileged_ranges", "::1\r\n10.0.0.0/8")
    )
    assert changes([_value(relay.privileged_ranges)], form) == [
        Change("relay.privileged_ranges", "::1 10.0.0.0/8", "server")
    ]


def test_a_secret_is_never_shown_and_nothing_typed_keeps_it() -> None:
    shown = _value(smarthost.password, HIDDEN)
    assert field(shown).typed == ""
    form = _form(_shown("smarthost.password"), ("smarthost.password", ""))
    assert changes([shown], form) == []
    form = _form(_shown("smarthost.password"), ("smarthost.password", "new"))
    assert field(shown, form).typed == ""
    assert changes([shown], form) == [Change("smarthost.password", "new", "server")]


def test_a_value_for_this_node_only_is_a_change_though_the_text_is_the_same() -> None:
    shown = _value(smtp.local_domain, "mx1.example")
    form = _form(
        _shown("smtp.local_domain"),
        ("smtp.local_domain", "mx1.example"),
        ("smtp.local_domain:scope", "node"),
    )
    assert changes([shown], form) == [Change("smtp.local_domain", "mx1.example", "node")]
    own = _value(smtp.local_domain, "mx1.example", is_own=True)
    assert changes([own], form) == []


def test_what_was_typed_is_kept_beside_its_error() -> None:
    form = _form(_shown("retry.first"), ("retry.first", "soon"))
    made = field(_value(retry.first), form, {"retry.first": "'soon' is not a length of time"})
    assert (made.typed, made.error) == ("soon", "'soon' is not a length of time")


def test_nothing_is_said_as_nothing() -> None:
    assert value_text(smarthost.host, "") == "nothing"
    assert value_text(relay.enabled, "yes") == "on"
    assert value_text(smarthost.password, HIDDEN) == "hidden"
