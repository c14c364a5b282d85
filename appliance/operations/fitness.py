"""Whether a setting's value fits the house: what its kind alone can't tell.

Owns: nothing. Never: changes anything.
Failure: `Invalid` about the field `value`; its text names the value, why it is wrong and what would
be right.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from appliance.mail.address import Address, AddressError
from appliance.net.tls import TlsError, server_context
from appliance.operations.house import House
from appliance.operations.operation import Invalid
from appliance.operations.watch import VERBOSE
from appliance.runtime.clock import to_datetime
from appliance.runtime.logs import LONGEST_VERBOSE_S
from appliance.settings import auth, smtp, tls
from appliance.settings.setting import Setting


def check(
    house: House,
    setting: Setting[Any],
    value: object,
    *,
    node: str,
    together: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Check a value that its kind has taken; no text is always right.

    Args:
        house: where it is to be in force.
        setting: which.
        value: as its kind has parsed it.
        node: the node it is for, or empty. Files are looked at on the machine they are for only.
        together: settings that are changed in the same step, with their new values as text.

    Raises:
        Invalid: it does not fit.
    """
    if not value:
        return
    text = str(value)
    if setting is smtp.bad_mail_sender:
        _check_address(text)
    elif setting is auth.default_postoffice:
        _check_postoffice(house, text)
    elif setting in (tls.certificate_file, tls.key_file) and node in ("", house.config.node):
        _check_file(house, setting, text, together)
    elif setting in VERBOSE.values() and isinstance(value, datetime):
        _check_end(house, setting, value)


def _check_address(text: str) -> None:
    try:
        Address.parse(text)
    except AddressError as error:
        raise Invalid(f"{smtp.bad_mail_sender.name}: {error}", field="value") from None


def _check_postoffice(house: House, name: str) -> None:
    if house.directory.postoffice(name) is None:
        raise Invalid(
            f"{auth.default_postoffice.name}: there is no post office {name!r}; "
            "see `posthouse postoffice list`",
            field="value",
        )


def _check_end(house: House, setting: Setting[Any], until: datetime) -> None:
    if until - to_datetime(house.clock.now_us()) > timedelta(seconds=LONGEST_VERBOSE_S):
        raise Invalid(
            f"{setting.name}: {setting.kind.render(until)} is more than a day from now; a moment "
            "in the next 24 hours is right, and `posthouse debug on` sets it",
            field="value",
        )


def _check_file(
    house: House, setting: Setting[Any], path: str, together: Mapping[str, str]
) -> None:
    """Check a certificate's or key's file, and that it fits the other one where that is set."""
    if not Path(path).is_absolute():  # the services' working directory is another
        raise Invalid(
            f"{setting.name}: {path!r} is not absolute; a path from / on would be right",
            field="value",
        )
    try:
        octets = Path(path).read_bytes()
    except OSError as error:
        right = "a PEM file the service user may read would be right"
        text = f"{setting.name}: {path!r}: {error.strerror}; {right}"
        raise Invalid(text, field="value") from None
    what = b"CERTIFICATE-----" if setting is tls.certificate_file else b"PRIVATE KEY-----"
    if what not in octets:
        named = what.decode().rstrip("-")
        raise Invalid(
            f"{setting.name}: {path!r} holds no {named}; a PEM file with it is right",
            field="value",
        )
    house.live.refresh()
    other = tls.key_file if setting is tls.certificate_file else tls.certificate_file
    partner = together.get(other.name, house.settings[other])
    if not partner:  # set next
        return
    pair = (path, partner) if setting is tls.certificate_file else (partner, path)
    try:
        server_context(*map(Path, pair))
    except TlsError as error:
        raise Invalid(
            f"{setting.name}: {error}; to change both, reset {other.name} first", field="value"
        ) from None
