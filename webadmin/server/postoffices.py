"""Post offices and their domains: list, create, suspend, delete (manual §5.3, §5.4)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from appliance.directory.records import PostOffice
from appliance.operations.census import Overview, SurveyPostOffice
from appliance.operations.checks import checked_domain
from appliance.operations.domains import CreateDomain, DeleteDomain, EnableDomain, ListDomains
from appliance.operations.operation import Invalid
from appliance.operations.postoffices import (
    CreatePostOffice,
    DeletePostOffice,
    EnablePostOffice,
    ListPostOffices,
    ShowPostOffice,
)
from webadmin.context import ask, house, perform
from webadmin.forms import attempt, way_back
from webadmin.toasts import toast

_PAGE = 25

Answer = str | Response | tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Line:
    """A post office as the list shows it."""

    postoffice: PostOffice
    domains: list[str]
    overview: Overview


def register(blueprint: Blueprint) -> None:
    """Add the pages to the room."""
    add = blueprint.add_url_rule
    both = ["GET", "POST"]
    add("/postoffices", "postoffices", postoffices)
    add("/new-postoffice", "new_postoffice", new_postoffice, methods=both)
    add("/postoffice-enabled", "postoffice_enabled", postoffice_enabled, methods=["POST"])
    add("/postoffices/<name>", "postoffice", postoffice)
    add("/postoffices/<name>/delete", "delete_postoffice", delete_postoffice, methods=both)
    add("/postoffices/<name>/domains", "new_domain", new_domain, methods=["POST"])
    add("/domain-enabled", "domain_enabled", domain_enabled, methods=["POST"])
    add("/domains/<domain>/delete", "delete_domain", delete_domain, methods=both)


def postoffices() -> str:
    """List the post offices; a search also looks at their domains."""
    containing, after = request.args.get("q", "").strip(), request.args.get("after", "")
    domains: dict[str, list[str]] = {}
    for domain in ask(ListDomains()):
        domains.setdefault(domain.postoffice, []).append(domain.name)
    everyone = ask(ListPostOffices())
    wanted = containing.casefold()
    found = [
        each
        for each in everyone
        if any(wanted in text.casefold() for text in (each.name, *domains.get(each.name, ())))
    ]
    rest = [each for each in found if each.name.casefold() > after.casefold()]
    lines = [
        _Line(each, domains.get(each.name, []), ask(SurveyPostOffice(postoffice=each.name)))
        for each in rest[:_PAGE]
    ]
    return render_template(
        "server/postoffices.html",
        lines=lines,
        found=len(found),
        everyone=len(everyone),
        suspended=sum(not each.enabled for each in everyone),
        domains=sum(map(len, domains.values())),
        containing=containing,
        first=len(found) - len(rest) + 1,
        after=rest[_PAGE - 1].name if len(rest) > _PAGE else "",
        is_later=bool(after),
    )


def new_postoffice() -> Answer:
    """Create a post office, with its first domain if one is named."""
    if request.method == "GET":
        return render_template("server/new_postoffice.html", errors={}, form={})
    form = request.form
    name, domain = form.get("postoffice", "").strip(), form.get("domain", "").strip()
    errors = _domain_errors(domain) if domain else {}
    errors = errors or attempt(CreatePostOffice(postoffice=name, password=form.get("password", "")))
    if errors:
        return render_template("server/new_postoffice.html", errors=errors, form=form), 400
    toast(_("%(name)s is there, with the mailbox ADMIN@%(name)s.", name=name))
    if domain:
        errors = attempt(CreateDomain(domain=domain, postoffice=name))
        if errors:  # the post office stays: its page says what is wrong with the domain
            return _page(name, errors), 400
    return redirect(url_for(".postoffice", name=name), 303)


def _domain_errors(text: str) -> dict[str, str]:
    """Return what is wrong with a domain before the post office is made that gets it."""
    try:
        found = house().directory.domain(checked_domain(text))
    except Invalid as error:
        return {"domain": str(error)}
    if found is None:
        return {}
    return {
        "domain": _("%(domain)s belongs to %(name)s.", domain=found.name, name=found.postoffice)
    }


def postoffice(name: str) -> str:
    """Show a post office: its domains, what is in it."""
    return _page(name, {})


def postoffice_enabled() -> Response:
    """Suspend a post office, or let it work again."""
    name, enabled = request.form.get("postoffice", ""), request.form.get("enabled") == "yes"
    perform(EnablePostOffice(postoffice=name, enabled=enabled))
    if enabled:
        text = _("%(name)s works again.", name=name)
    else:
        text = _("%(name)s is suspended: nobody signs in, and its mail waits.", name=name)
    undo = (".postoffice_enabled", {"postoffice": name, "enabled": "no" if enabled else "yes"})
    toast(text, undo=undo)
    return redirect(way_back(url_for(".postoffice", name=name)), 303)


def delete_postoffice(name: str) -> Answer:
    """Delete a post office whose name was typed."""
    found = ask(ShowPostOffice(postoffice=name))
    typed = request.form.get("confirm", "").strip()
    if request.method == "POST" and typed == found.name:
        perform(DeletePostOffice(postoffice=name))
        toast(_("%(name)s is deleted.", name=found.name))
        return redirect(url_for(".postoffices"), 303)
    errors = {}
    if request.method == "POST":
        errors = {"confirm": _("Type %(name)s to delete it.", name=found.name)}
    page = render_template(
        "server/delete_postoffice.html",
        postoffice=found,
        overview=ask(SurveyPostOffice(postoffice=name)),
        errors=errors,
        typed=typed,
    )
    return (page, 400) if errors else page


def new_domain(name: str) -> Answer:
    """Host a domain for a post office."""
    domain = request.form.get("domain", "").strip()
    errors = attempt(CreateDomain(domain=domain, postoffice=name))
    if errors:
        return _page(name, errors), 400
    toast(_("%(domain)s is hosted here; each mailbox has an address there.", domain=domain))
    return redirect(url_for(".postoffice", name=name), 303)


def domain_enabled() -> Response:
    """Disable a domain, or let it work again."""
    domain, enabled = request.form.get("domain", ""), request.form.get("enabled") == "yes"
    perform(EnableDomain(domain=domain, enabled=enabled))
    if enabled:
        text = _("%(domain)s takes mail again.", domain=domain)
    else:
        text = _("%(domain)s takes no more mail.", domain=domain)
    undo = (".domain_enabled", {"domain": domain, "enabled": "no" if enabled else "yes"})
    toast(text, undo=undo)
    return redirect(way_back(url_for(".postoffices")), 303)


def delete_domain(domain: str) -> Answer:
    """Stop hosting a domain, after a look at what that means."""
    found = next((each for each in ask(ListDomains()) if each.name == domain), None)
    if request.method == "POST":
        perform(DeleteDomain(domain=domain))
        toast(_("%(domain)s is no longer hosted here.", domain=domain))
        if found is None:
            return redirect(url_for(".postoffices"), 303)
        return redirect(url_for(".postoffice", name=found.postoffice), 303)
    if found is None:
        return redirect(url_for(".postoffices"), 303)
    return render_template(
        "server/delete_domain.html",
        domain=found,
        overview=ask(SurveyPostOffice(postoffice=found.postoffice)),
    )


def _page(name: str, errors: dict[str, str]) -> str:
    return render_template(
        "server/postoffice.html",
        postoffice=ask(ShowPostOffice(postoffice=name)),
        domains=ask(ListDomains(postoffice=name)),
        overview=ask(SurveyPostOffice(postoffice=name)),
        errors=errors,
        form=request.form,
    )
