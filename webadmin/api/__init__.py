"""The REST API, version 1: the house's operations over JSON, with tokens."""

from __future__ import annotations

from flask import Blueprint

from webadmin.api import views

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")
views.register(blueprint)
