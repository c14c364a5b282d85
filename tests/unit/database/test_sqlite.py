"""Where a SQLite home may lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.database import sqlite
from appliance.database.errors import UnsafeHome

MOUNTS = r"""21 28 0:20 / /sys rw,nosuid - sysfs sysfs rw
28 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
90 28 0:44 / /srv rw shared:44 master:1 - nfs4 store:/srv rw,addr=192.0.2.1
91 90 254:1 / /srv/local\040disk rw - xfs /dev/vdb rw
92 28 0:45 / /mnt/share rw - cifs //store/share rw
93 28 0:46 / /mnt/ssh rw - fuse.sshfs user@host:/ rw
"""


@pytest.fixture(autouse=True)
def mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.read_text

    def read_text(path: Path, encoding: str | None = None) -> str:
        return MOUNTS if str(path) == "/proc/self/mountinfo" else real(path, encoding)

    monkeypatch.setattr(Path, "read_text", read_text)


@pytest.mark.parametrize("home", ["/", "/var/lib/posthouse", "/srv/local disk/home", "/srvother"])
def test_home_on_a_local_disk_is_fine(home: str) -> None:
    sqlite.refuse_network_home(Path(home))


@pytest.mark.parametrize(
    ("home", "kind"),
    [("/srv", "nfs4"), ("/srv/posthouse", "nfs4"), ("/mnt/share/a", "cifs"), ("/mnt/ssh", "fuse")],
)
def test_home_on_a_network_file_system_is_refused_with_the_way_out(home: str, kind: str) -> None:
    # the longest mount point that holds it decides
    with pytest.raises(UnsafeHome, match=f"{home} lies on a network file system \\({kind}") as no:
        sqlite.refuse_network_home(Path(home))
    assert "local disk" in str(no.value)
    assert "PostgreSQL" in str(no.value)
