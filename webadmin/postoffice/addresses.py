"""Addresses: which lead to which mailbox (manual §5.6)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from appliance.operations.addresses import CreateAddress, DeleteAddress
from appliance.operations.census import FindAddresses
from appliance.operations.domains import ListDomains
from webadmin.context import ask, perform
from webadmin.forms import attempt, summary, way_back
from webadmin.postoffice.room import postoffice
from webadmin.toasts import toast

Answer = str | Response | tuple[str, int]


def register(blueprint: Blueprint) -> None:
    """Add the pages to the room."""
    blueprint.add_url_rule("/addresses", "addresses", addresses, methods=["GET", "POST"])
    blueprint.add_url_rule("/addresses/delete", "delete_address", delete_address, methods=["POST"])


def addresses() -> Answer:
    """List the addresses, and add one."""
    if request.method == "GET":
        return _page({})
    form = request.form
    address = f"{form.get('local_part', '').strip()}@{form.get('domain', '')}"
    name, _at, owner = form.get("mailbox", "").strip().partition("@")
    if owner and owner.casefold() != postoffice().casefold():
        text = _("Only mailboxes of %(postoffice)s can be named here.", postoffice=postoffice())
        return _page({"mailbox": text}), 400
    errors = attempt(CreateAddress(address=address, mailbox=f"{name}@{postoffice()}"))
    if errors:
        return _page(errors), 400
    undo = (".delete_address", {"address": address})
    toast(_("%(address)s now leads to %(name)s.", address=address, name=name), undo=undo)
    return redirect(way_back(url_for(".addresses")), 303)


def delete_address() -> Response:
    """Take an address away; it can be put back."""
    address = request.form.get("address", "")
    lines = ask(FindAddresses(postoffice=postoffice(), containing=address)).items
    perform(DeleteAddress(address=address, postoffice=postoffice()))
    mailbox = next((each.mailbox for each in lines if each.address == address), "")
    local_part, _at, domain = address.rpartition("@")
    again = {"local_part": local_part, "domain": domain, "mailbox": mailbox}
    text = _("%(address)s is gone; mail to it is refused.", address=address)
    toast(text, undo=(".addresses", again))
    return redirect(way_back(url_for(".addresses")), 303)


def _page(errors: dict[str, str]) -> str:
    containing, after = request.args.get("q", ""), request.args.get("after", "")
    page = ask(FindAddresses(postoffice=postoffice(), containing=containing, after=after))
    domains = ask(ListDomains(postoffice=postoffice()))
    labels = {
        "address": ("f-local_part", _("New address")),
        "mailbox": ("f-mailbox", _("Leads to the mailbox")),
    }
    return render_template(
        "postoffice/addresses.html",
        page=page,
        containing=containing,
        after=after,
        domains=domains,
        names={each.name: f"@{each.name}" for each in domains},
        errors=errors,
        summary=summary(errors, labels),
        form=request.form,
    )
