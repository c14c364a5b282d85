"""Certificates."""

from __future__ import annotations

from appliance.settings.kinds import Text
from appliance.settings.setting import Scope, Setting, define

certificate_file = define(
    Setting(
        name="tls.certificate_file",
        kind=Text("a path of a PEM file"),
        default="",
        scopes=(Scope.SERVER, Scope.NODE),
        title="Certificate file",
        help="Certificate chain of this server, PEM. Empty: a self-signed one, made in the home.",
    )
)
key_file = define(
    Setting(
        name="tls.key_file",
        kind=Text("a path of a PEM file"),
        default="",
        scopes=(Scope.SERVER, Scope.NODE),
        title="Key file",
        help="The certificate's private key, PEM, readable by the service user only.",
    )
)
