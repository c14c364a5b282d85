"""What `posthouse.toml` says: where the home is, and nothing that the directory could say."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.operations.house import HomeError, House, read_config


def test_home_given_on_the_command_line_needs_no_file(tmp_path: Path) -> None:
    config = read_config(tmp_path)
    assert config.home == tmp_path
    assert config.database_url == ""
    assert config.key_file == tmp_path / "config" / "key"
    assert config.node == socket.gethostname().partition(".")[0]


def test_file_in_the_home_counts(tmp_path: Path) -> None:
    (tmp_path / "posthouse.toml").write_text(
        'database_url = "postgresql://db/mail"\nnode = "two"\nkey_file = "/etc/posthouse/key"\n',
        encoding="utf-8",
    )
    config = read_config(tmp_path)
    assert config.database_url == "postgresql://db/mail"
    assert (config.node, config.key_file) == ("two", Path("/etc/posthouse/key"))


def test_without_a_home_the_configuration_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "posthouse.toml"
    monkeypatch.setenv("POSTHOUSE_CONFIG", str(path))
    monkeypatch.setenv("POSTHOUSE_HOME", "/srv/by-environment")
    assert read_config(None).home == Path("/srv/by-environment")
    path.write_text('home = "/srv/by-file"\n', encoding="utf-8")
    assert read_config(None).home == Path("/srv/by-file")
    monkeypatch.delenv("POSTHOUSE_HOME")
    path.unlink()
    assert read_config(None).home == Path("/var/lib/posthouse")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("home = 7", "home is not one of home, database_url, key_file, node, each a text"),
        ('port = "25"', "port is not one of"),
        ("home = ", "can't be read"),
        ("\x00", "can't be read"),
    ],
)
def test_wrong_file_is_refused_with_its_path(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "posthouse.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(HomeError, match=told) as refused:
        read_config(tmp_path)
    assert str(path) in str(refused.value)


def test_file_that_is_no_text_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "posthouse.toml").write_bytes(b"home = '\xff\xfe'")
    with pytest.raises(HomeError, match=r"posthouse\.toml can't be read"):
        read_config(tmp_path)


def test_home_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    config = read_config(tmp_path)
    with pytest.raises(HomeError, match="can't be made"):
        House(replace(config, home=tmp_path / "file" / "home"))
