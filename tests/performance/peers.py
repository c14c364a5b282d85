"""The peers: Postfix and Dovecot from Debian, each in a folder of its own, on loopback.

They run as root with their packages' usual users, configured as their documentation recommends; the
system's own configuration is read for defaults and never changed. Mailboxes are Maildir, owned by
the user number that Postfix' VIRTUAL_README uses.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import time

import tls
from clients import Account
from pop3_load import stat
from server import Server, ServerError, answers, free_port, run

__all__ = ["Dovecot", "Postfix", "PostfixLmtp", "maildir_count"]

DOMAIN = "bench.test"
_OWNER = 5000
_PASSWORD = "correct horse battery staple"


def accounts(count: int, domains: int = 1) -> list[Account]:
    """Returns the accounts m1, m2, … of the benchmark's domain, or spread over several domains."""
    names = [DOMAIN] if domains == 1 else [f"po{n}.test" for n in range(1, domains + 1)]
    return [
        Account(address, address, _PASSWORD)
        for address in (f"m{n}@{names[(n - 1) % domains]}" for n in range(1, count + 1))
    ]


def maildir_count(root: pathlib.Path, mailboxes: list[Account]) -> int:
    """Returns how many messages lie in `new/` of all the mailboxes."""
    total = 0
    for account in mailboxes:
        try:
            total += len(os.listdir(root / account.login / "new"))  # noqa: PTH208 - iterdir makes a Path for each
        except FileNotFoundError:
            continue
    return total


def _own(path: pathlib.Path) -> pathlib.Path:
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, _OWNER, _OWNER)
    return path


class Postfix(Server):
    """Postfix with its default checks and virtual(8) delivering to Maildir.

    All settings are the defaults but those that give it a folder, a log file, a port, a domain and
    mailboxes. Queue files and Maildir files are fsynced, as always in Postfix.
    """

    name = "postfix"

    def start(self) -> None:
        """Writes main.cf, master.cf and the map, and starts master(8) in the foreground."""
        self.accounts = accounts(self.mailboxes, self.postoffices)
        self.mail = _own(self.home / "vmail")
        self.config = self.home / "etc"
        self.config.mkdir()
        queue = self.home / "queue"
        queue.mkdir()
        data = self.home / "data"
        data.mkdir()
        shutil.chown(data, "postfix")
        kind = run("postconf", "-d", "-h", "default_database_type").strip()
        (self.config / "mailboxes").write_text(
            "".join(f"{a.address} {a.login}/\n" for a in self.accounts)
        )
        domains = DOMAIN
        if self.postoffices > 1:  # as VIRTUAL_README says: a table where they are many
            domains = f"{kind}:{self.config}/domains"
            names = {a.address.rpartition("@")[2] for a in self.accounts}
            (self.config / "domains").write_text("".join(f"{name} -\n" for name in names))
        for name in ("dynamicmaps.cf", "postfix-files"):
            if (system := pathlib.Path("/etc/postfix") / name).exists():
                shutil.copy(system, self.config)
        self._write_main(
            {
                "compatibility_level": "3.6",
                "queue_directory": str(queue),
                "data_directory": str(data),
                "maillog_file": str(self.home / "maillog"),
                "maillog_file_prefixes": str(self.home),
                "myhostname": f"mx.{DOMAIN}",
                "inet_interfaces": "127.0.0.1",
                "inet_protocols": "ipv4",
                "mynetworks_style": "host",
                "mydestination": "",
                "alias_maps": "",
                "alias_database": "",
                "virtual_mailbox_domains": domains,
                "virtual_mailbox_base": str(self.mail),
                "virtual_mailbox_maps": f"{kind}:{self.config}/mailboxes",
                "virtual_uid_maps": f"static:{_OWNER}",
                "virtual_gid_maps": f"static:{_OWNER}",
                **self._sizes(),
                **self.more_settings(),
            }
        )
        self._write_master()
        run("postmap", "-c", str(self.config), f"{kind}:{self.config}/mailboxes")
        if self.postoffices > 1:
            run("postmap", "-c", str(self.config), domains)
        self.launch(["postfix", "-c", str(self.config), "start-fg"])
        self.await_ready(lambda: answers(self.smtp, b"220"))

    def _sizes(self) -> dict[str, str]:
        """Returns the limits that a row's size asks for, as TUNING_README names them."""
        found = {}
        if self.recipients:
            found["smtpd_recipient_limit"] = str(self.recipients)
        if self.sessions:
            found["default_process_limit"] = str(self.sessions + 100)
        return found

    def more_settings(self) -> dict[str, str]:
        """Returns what a variant sets besides."""
        return {}

    def delivered(self) -> int:
        """Counts the files in the Maildirs' `new/`."""
        return maildir_count(self.mail, self.accounts)

    def is_settled(self) -> bool:
        """Looks for queue files that qmgr has or is to get."""
        queue = self.home / "queue"
        return not any(
            os.listdir(queue / name)  # noqa: PTH208 - iterdir makes a Path for each
            for name in ("maildrop", "incoming", "active")
        ) and not any((queue / "deferred").rglob("*"))

    def fill(self, count: int, size: int) -> None:
        """Postfix keeps no mailboxes that could be read."""
        raise ServerError("Postfix keeps no mailboxes that could be read")

    def describe(self) -> dict[str, object]:
        """Returns the version and `postconf -n`."""
        return {
            "server": "Postfix " + run("postconf", "-d", "-h", "mail_version").strip(),
            "fsync": "always: queue file before the 250, Maildir file before the delivery is noted",
            "delivery": "virtual(8), virtual_mailbox_maps, Maildir",
            "postconf -n": run("postconf", "-c", str(self.config), "-n").splitlines(),
        }

    def stop(self) -> None:
        """Ends master(8), whose id is in its pid file; `postfix start-fg` ends with it."""
        pid_file = self.home / "queue/pid/master.pid"
        if self._process is not None and self._process.poll() is None and pid_file.exists():
            run("postfix", "-c", str(self.config), "abort")
        super().stop()

    def _write_main(self, settings: dict[str, str]) -> None:
        lines = (f"{name} = {value}\n" for name, value in settings.items())
        (self.config / "main.cf").write_text("".join(lines))

    def _write_master(self) -> None:
        """Takes the services that the package ships, without chroot, with smtpd on our port."""
        shipped = next(
            path
            for name in (
                "/usr/share/postfix/master.cf.dist",
                "/etc/postfix/master.cf.proto",
                "/etc/postfix/master.cf",
            )
            if (path := pathlib.Path(name)).exists()
        )
        shutil.copy(shipped, self.config / "master.cf")
        self.smtp = ("127.0.0.1", free_port())
        edit = ("postconf", "-c", str(self.config))
        run(*edit, "-F", "*/*/chroot=n")
        run(*edit, "-M#", "smtp/inet")
        run(*edit, "-M", f"{self.smtp[1]}/inet={self.smtp[1]} inet n - n - - smtpd")
        if self.sessions:
            self.smtps = ("127.0.0.1", free_port())
            port = self.smtps[1]
            run(*edit, "-M", f"{port}/inet={port} inet n - n - - smtpd")
            run(*edit, "-P", f"{port}/inet/smtpd_tls_wrappermode=yes")
            certificate = tls.certificate(self.config)
            run(*edit, "-e", f"smtpd_tls_chain_files={certificate}")


class Dovecot(Server):
    """Dovecot 2.3 in its high-performance mode, on Maildir.

    `pop3-login service_count=0` with a login process for each core, `pop3 service_count=1000`, and
    `pop3_no_flag_updates`, which its page on POP3 recommends for performance;
    passwords in a passwd-file as SSHA512: one salted hash, about what a cached login costs
    elsewhere.
    """

    name = "dovecot"

    def start(self) -> None:
        """Writes dovecot.conf and the passwd-file and starts Dovecot in the foreground."""
        version = run("dovecot", "--version").split()[0]
        if not version.startswith("2.3."):
            raise ServerError(
                f"Dovecot {version} is installed; the configuration here is for 2.3 (Debian 12)"
            )
        self.accounts = accounts(self.mailboxes, self.postoffices)
        self.mail = _own(self.home / "vmail")
        # Sockets need a short path; nothing durable lies there.
        self.run = pathlib.Path(tempfile.mkdtemp(prefix="phb-"))
        self.run.chmod(0o755)
        self.pop3 = ("127.0.0.1", free_port())
        self.pop3s = ("127.0.0.1", free_port())
        self.lmtp = ("127.0.0.1", free_port())
        self.config = self.home / "dovecot.conf"
        self.config.write_text(self._settings())
        hashed = run(
            "doveadm", "-c", str(self.config), "pw", "-s", "SSHA512", "-p", _PASSWORD
        ).strip()
        users = self.home / "users"
        users.write_text(
            "".join(
                f"{a.login}:{hashed}:{_OWNER}:{_OWNER}::{self.mail}/{a.login}::\n"
                for a in self.accounts
            )
        )
        shutil.chown(users, "root", "dovecot")
        users.chmod(0o640)
        self.launch(["dovecot", "-F", "-c", str(self.config)])
        self.await_ready(lambda: answers(self.pop3, b"+OK"))

    def delivered(self) -> int:
        """Counts by STAT."""
        return sum(stat(self.pop3, account) for account in self.accounts)

    def is_settled(self) -> bool:
        """Dovecot has no queue."""
        return True

    def fill(self, count: int, size: int) -> None:
        """Writes Maildir files, named as by Dovecot's own delivery: with both sizes."""
        for account in self.accounts:
            box = self.mail / account.login
            for name in ("", "cur", "new", "tmp"):
                _own(box / name)
            for number in range(count // len(self.accounts)):
                text = _message(account.address, number, size)
                octets = len(text) + text.count(b"\n")
                path = (
                    box
                    / "new"
                    / f"{int(time.time())}.M{number}P{os.getpid()}.bench,S={len(text)},W={octets}"
                )
                path.write_bytes(text)
                os.chown(path, _OWNER, _OWNER)

    def describe(self) -> dict[str, object]:
        """Returns the version and `doveconf -n`."""
        return {
            "server": "Dovecot " + run("dovecot", "--version").strip(),
            "fsync": run("doveconf", "-c", str(self.config), "mail_fsync").strip(),
            "password scheme": "SSHA512 in a passwd-file",
            "doveconf -n": run("doveconf", "-c", str(self.config), "-n").splitlines(),
        }

    def stop(self) -> None:
        """Ends Dovecot's master and removes its sockets."""
        super().stop()
        shutil.rmtree(self.run, ignore_errors=True)

    def _settings(self) -> str:
        cores = os.cpu_count() or 1
        encrypted = "ssl = no"
        if self.sessions:
            both = tls.certificate(self.home)
            encrypted = f"ssl = yes\nssl_cert = <{both}\nssl_key = <{both}"
        most = max(self.sessions + 100, 1024)  # 1024 is the default
        return f"""\
base_dir = {self.run}
state_dir = {self.run}
log_path = {self.home}/dovecot.log
protocols = pop3 lmtp
listen = 127.0.0.1
{encrypted}
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:{self.mail}/%u
first_valid_uid = {_OWNER}
last_valid_uid = {_OWNER}
passdb {{
  driver = passwd-file
  args = username_format=%u {self.home}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {self.home}/users
}}
pop3_no_flag_updates = yes
service pop3-login {{
  service_count = 0
  process_min_avail = {cores}
  inet_listener pop3 {{
    address = 127.0.0.1
    port = {self.pop3[1]}
  }}
  inet_listener pop3s {{
    address = 127.0.0.1
    port = {self.pop3s[1] if self.sessions else 0}
  }}
}}
service pop3 {{
  service_count = 1000
  process_limit = {most}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.lmtp[1]}
  }}
}}
"""


class PostfixLmtp(Postfix):
    """Postfix handing over to Dovecot's LMTP server, as Dovecot's documentation recommends."""

    name = "postfix+dovecot-lmtp"

    def start(self) -> None:
        """Starts Dovecot first, then Postfix."""
        home = self.home / "dovecot"
        home.mkdir()
        self._dovecot = Dovecot(home, self.mailboxes)
        self._dovecot.start()
        super().start()

    def more_settings(self) -> dict[str, str]:
        """Names the LMTP server as the transport of the virtual domain."""
        host, port = self._dovecot.lmtp
        return {"virtual_transport": f"lmtp:inet:{host}:{port}"}

    def delivered(self) -> int:
        """Counts the files in the Maildirs' `new/` that Dovecot keeps."""
        return maildir_count(self._dovecot.mail, self.accounts)

    def describe(self) -> dict[str, object]:
        """Returns what both servers say."""
        return {
            **super().describe(),
            "delivery": "lmtp(8) over TCP to Dovecot LMTP, Maildir",
            "dovecot": self._dovecot.describe(),
        }

    def cpu_seconds(self) -> float:
        """Returns the CPU time of both servers."""
        return super().cpu_seconds() + self._dovecot.cpu_seconds()

    def stop(self) -> None:
        """Stops Postfix, then Dovecot."""
        try:
            super().stop()
        finally:
            self._dovecot.__exit__(None, None, None)


def _message(address: str, number: int, size: int) -> bytes:
    """Returns a message with `size` bytes of body, in lines, as smtp-source would send it."""
    header = (
        f"Return-Path: <sender@sender.test>\nDelivered-To: {address}\n"
        f"Received: from client.sender.test by mx.{DOMAIN} with ESMTP id {number:08X}\n"
        f"\tfor <{address}>; Thu, 01 Jan 2026 00:00:00 +0000\n"
        f"From: <sender@sender.test>\nTo: <{address}>\nDate: Thu, 01 Jan 2026 00:00:00 +0000\n"
        f"Message-Id: <{number:08x}.bench@sender.test>\nSubject: message {number}\n\n"
    )
    # 78 characters and the two octets of the line end on the wire.
    lines = (b"X" * 78 + b"\n") * (size // 80)
    return header.encode() + lines + b"X" * (size % 80) + b"\n"
