"""Checks that several operations share: each raises what the caller should be told."""

from __future__ import annotations

from appliance.directory.lookup import Directory
from appliance.directory.records import Domain, Mailbox, Operator, PostOffice
from appliance.mail.address import Address, AddressError, parse_domain
from appliance.operations.house import House
from appliance.operations.operation import Invalid, NotFound
from appliance.rules import names
from appliance.settings import auth

MAX_QUOTA_KB = 1 << 40  # a PiB
_MAX_PART = 320  # characters; no address and no name has more


def checked_name(name: str, what: str, *, field: str) -> str:
    """Check a name; raises Invalid about the field it is in."""
    try:
        return names.check_name(name, what)
    except ValueError as error:
        raise Invalid(str(error), field=field) from None


def checked_password(password: str, house: House, *, field: str = "password") -> str:
    """Check a new password; raises Invalid."""
    try:
        return names.check_password(password, minimum=house.settings[auth.min_password_length])
    except ValueError as error:
        raise Invalid(str(error), field=field) from None


def checked_address(text: str, *, field: str) -> Address:
    """Read an address; raises Invalid."""
    try:
        return Address.parse(text)
    except AddressError as error:
        raise Invalid(str(error), field=field) from None


def checked_domain(text: str) -> str:
    """Read a domain; raises Invalid."""
    try:
        domain = parse_domain(text)
    except AddressError as error:
        raise Invalid(str(error), field="domain") from None
    if domain.startswith("[") or "." not in domain:
        raise Invalid(
            f"{text!r} is not a full domain name; write it like example.com", field="domain"
        )
    return domain


def checked_full_name(text: str) -> str:
    """Check the full name of a mailbox's owner; raises Invalid. Empty is right."""
    try:
        return names.check_full_name(text)
    except ValueError as error:
        raise Invalid(str(error), field="full_name") from None


def checked_quota(quota_kb: int) -> int:
    """Check a mailbox's quota, in KiB; raises Invalid. 0 is none."""
    if not 0 <= quota_kb <= MAX_QUOTA_KB:
        raise Invalid(
            f"{quota_kb} KiB can't be a quota; use 1 to {MAX_QUOTA_KB}, or 0 for no quota",
            field="quota_kb",
        )
    return quota_kb


def checked_part(text: str, *, field: str) -> str:
    """Return the part of a name that is searched for, without spaces around; raises Invalid."""
    text = text.strip()
    if len(text) > _MAX_PART:
        raise Invalid(
            f"no name has {len(text)} characters; search for {_MAX_PART} or fewer", field=field
        )
    return text


def found_postoffice(directory: Directory, name: str, *, field: str = "postoffice") -> PostOffice:
    """Find a post office; raises NotFound."""
    found = directory.postoffice(name)
    if found is None:
        raise NotFound(
            f"there is no post office {name!r}; see `posthouse postoffice list`",
            field=field,
        )
    return found


def found_domain(directory: Directory, name: str) -> Domain:
    """Find a domain; raises NotFound."""
    found = directory.domain(checked_domain(name))
    if found is None:
        raise NotFound(
            f"no post office hosts the domain {name!r}; see `posthouse domain list`",
            field="domain",
        )
    return found


def found_mailbox(directory: Directory, login: str, *, field: str = "mailbox") -> Mailbox:
    """Find a mailbox by its login; raises NotFound."""
    found = directory.mailbox(login)
    if found is None:
        raise NotFound(
            f"there is no mailbox {login!r}; a mailbox is named mailbox@postoffice",
            field=field,
        )
    return found


def found_operator(directory: Directory, name: str, *, field: str = "operator") -> Operator:
    """Find an operator by name; raises NotFound."""
    for each in directory.operators():
        if each.name == name:
            return each
    raise NotFound(f"there is no operator {name!r}; see `posthouse operator list`", field=field)


def postoffice_of(login: str) -> str:
    """Return the post office part of a login."""
    return login.rpartition("@")[2]
