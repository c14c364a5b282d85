"""Addresses of static files, what is kept by browsers, and what is used of others."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from webadmin import assets

_ROOT = Path(__file__).parents[3]
_VENDOR = assets.FOLDER / "vendor"
_FRONTEND = _ROOT / "webadmin" / "frontend"


@pytest.fixture(scope="module")
def app() -> Flask:
    app = Flask("webadmin", static_folder=None)
    assets.register(app)
    return app


class Visitor:
    """Asks for files, and closes what their answers are read from."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()

    def get(self, address: str, headers: dict[str, str] | None = None) -> TestResponse:
        return self._client.get(address, headers=headers, buffered=True)


@pytest.fixture
def client(app: Flask) -> Visitor:
    return Visitor(app)


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_VENDOR / "manifest.json").read_text(encoding="utf-8"))
    return found


def _address(app: Flask, name: str) -> str:
    with app.test_request_context():
        return assets.asset(name)


def test_an_address_carries_the_digest_and_is_kept_for_a_year(app: Flask, client: Visitor) -> None:
    address = _address(app, "css/base.css")
    assert address == f"/static/{assets.digest()}/css/base.css"
    response = client.get(address)
    assert response.mimetype == "text/css"
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_a_module_names_its_neighbours_under_the_same_digest(app: Flask, client: Visitor) -> None:
    address = _address(app, "js/app.js")
    for neighbour in re.findall(r'import "\./([^"]+)"', client.get(address).text):
        found = client.get(f"{address.rpartition('/')[0]}/{neighbour}")
        assert found.mimetype == "text/javascript"
        assert "immutable" in found.headers["Cache-Control"]


def test_an_address_from_before_an_upgrade_gets_the_file_but_may_not_keep_it(
    client: Visitor,
) -> None:
    response = client.get("/static/000000000000/css/base.css")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-cache"


def test_texts_are_compressed_for_those_who_take_it(app: Flask, client: Visitor) -> None:
    address = _address(app, "css/parts.css")
    whole = client.get(address)
    packed = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == whole.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.data) == whole.data
    assert len(packed.data) < len(whole.data) / 3


def test_fonts_are_not_compressed_again(app: Flask, client: Visitor) -> None:
    address = _address(app, "vendor/inter-latin-wght-normal.woff2")
    response = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert response.mimetype == "font/woff2"
    assert "Content-Encoding" not in response.headers


def test_a_part_of_a_file_is_sent_as_it_is(app: Flask, client: Visitor) -> None:
    wanted = {"Range": "bytes=0-9", "Accept-Encoding": "gzip"}
    response = client.get(_address(app, "css/base.css"), headers=wanted)
    assert response.status_code == 206
    assert len(response.data) == 10


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "css/none.css", "css", ""])
def test_nothing_but_static_files_is_served(client: Visitor, name: str) -> None:
    assert client.get(f"/static/{assets.digest()}/{name}").status_code == 404


def test_a_name_that_is_no_file_fails_while_the_page_is_made(app: Flask) -> None:
    with pytest.raises(FileNotFoundError, match=r"no css/bsae\.css: the name is misspelt"):
        _address(app, "css/bsae.css")
    with pytest.raises(FileNotFoundError, match="run `make setup`"):
        _address(app, "vendor/none.js")


def test_the_lock_file_has_a_digest_of_every_package_and_no_address() -> None:
    lock = json.loads((_FRONTEND / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert packages
    for name, each in packages.items():
        assert each["integrity"].startswith("sha512-"), name
        assert "resolved" not in each, name


def test_every_vendored_file_is_the_one_of_the_manifest(manifest: dict[str, Any]) -> None:
    listed = dict(manifest["made"])
    for package in manifest["packages"].values():
        listed |= package["files"]
    for name, digest in listed.items():
        octets = (_VENDOR / name).read_bytes()
        found = base64.b64encode(hashlib.sha384(octets).digest()).decode()
        assert digest == f"sha384-{found}", name
    licences = {package["licence_file"] for package in manifest["packages"].values()}
    there = {path.relative_to(_VENDOR).as_posix() for path in _VENDOR.rglob("*") if path.is_file()}
    assert there == {*listed, *licences, "manifest.json"}


def test_every_vendored_package_has_its_version_and_its_licence(manifest: dict[str, Any]) -> None:
    wanted = json.loads((_FRONTEND / "package.json").read_text(encoding="utf-8"))["dependencies"]
    packages = manifest["packages"]
    assert {name: each["version"] for name, each in packages.items()} == wanted
    for name, each in packages.items():
        assert each["licence"], name
        text = (_VENDOR / each["licence_file"]).read_text(encoding="utf-8")
        assert "ermi" in text, name  # "Permission", or what Apache permits


def test_fonts_are_asked_for_by_the_names_of_the_tokens() -> None:
    fonts = (_VENDOR / "fonts.css").read_text(encoding="utf-8")
    tokens = (assets.FOLDER / "css" / "tokens.css").read_text(encoding="utf-8")
    families = set(re.findall(r'font-family: ("[^"]+")', fonts))
    assert families == {'"Inter"', '"JetBrains Mono"'}
    assert all(family in tokens for family in families)
    for name in re.findall(r"url\(([^)]+)\)", fonts):
        assert (_VENDOR / name).is_file()


def test_no_file_of_ours_asks_for_anything_elsewhere() -> None:
    known = ("http://www.w3.org/",)
    for path in assets.FOLDER.rglob("*"):
        if path.suffix in {".css", ".js", ".svg"} and _VENDOR not in path.parents:
            for address in re.findall(
                r"https?://[a-z0-9][^\s\"')]*", path.read_text(encoding="utf-8")
            ):
                assert address.startswith(known), f"{path.name}: {address}"


def _build(root: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_the_wheel_carries_what_pages_need_and_nothing_to_build_with(
    tmp_path: Path, manifest: dict[str, Any]
) -> None:
    built = _build(_ROOT, tmp_path)
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    for package in manifest["packages"].values():
        for name in [*package["files"], package["licence_file"]]:
            assert f"webadmin/static/vendor/{name}" in names
    for name in ("css/parts.css", "js/app.js", "icons.svg", "skins/harbour.css"):
        assert f"webadmin/static/{name}" in names
    assert "webadmin/templates/ui.html" in names
    assert "webadmin/translations/de/LC_MESSAGES/messages.mo" in names
    assert not any("node_modules" in name or "/frontend/" in name for name in names)
