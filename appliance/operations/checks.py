"""Checks that several operations share: each raises what the caller should be told."""

from __future__ import annotations

from appliance.directory.lookup import Directory
from appliance.directory.records import Domain, Mailbox, PostOffice
from appliance.mail.address import Address, AddressError, parse_domain
from appliance.operations.house import House
from appliance.operations.operation import Invalid, NotFound
from appliance.rules import names
from appliance.settings import auth


def checked_name(name: str, what: str) -> str:
    """Check a name; raises Invalid."""
    try:
        return names.check_name(name, what)
    except ValueError as error:
        raise Invalid(str(error)) from None


def checked_password(password: str, house: House) -> str:
    """Check a new password; raises Invalid."""
    try:
        return names.check_password(password, minimum=house.settings[auth.min_password_length])
    except ValueError as error:
        raise Invalid(str(error)) from None


def checked_address(text: str) -> Address:
    """Read an address; raises Invalid."""
    try:
        return Address.parse(text)
    except AddressError as error:
        raise Invalid(str(error)) from None


def checked_domain(text: str) -> str:
    """Read a domain; raises Invalid."""
    try:
        domain = parse_domain(text)
    except AddressError as error:
        raise Invalid(str(error)) from None
    if domain.startswith("[") or "." not in domain:
        raise Invalid(f"{text!r} is not a full domain name; write it like example.com")
    return domain


def found_postoffice(directory: Directory, name: str) -> PostOffice:
    """Find a post office; raises NotFound."""
    found = directory.postoffice(name)
    if found is None:
        raise NotFound(f"there is no post office {name!r}; see `posthouse postoffice list`")
    return found


def found_domain(directory: Directory, name: str) -> Domain:
    """Find a domain; raises NotFound."""
    found = directory.domain(checked_domain(name))
    if found is None:
        raise NotFound(f"no post office hosts the domain {name!r}; see `posthouse domain list`")
    return found


def found_mailbox(directory: Directory, login: str) -> Mailbox:
    """Find a mailbox by its login; raises NotFound."""
    found = directory.mailbox(login)
    if found is None:
        raise NotFound(f"there is no mailbox {login!r}; a mailbox is named mailbox@postoffice")
    return found


def postoffice_of(login: str) -> str:
    """Return the post office part of a login."""
    return login.rpartition("@")[2]
