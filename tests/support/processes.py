"""Other processes, as tests need them: started, listened to, told to go on, ended."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

_PATIENCE_S = 30


class Other:
    """Another process: a script of this folder with its arguments."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(script)), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )
        self._said = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def complaints(self) -> str:
        """What it wrote to standard error so far."""
        self._complaints.seek(0)
        return self._complaints.read().decode()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def hear(self) -> str:
        """Wait for the next line it says."""
        channel = self._process.stdout
        assert channel is not None
        while b"\n" not in self._said:
            ready, _, _ = select.select([channel], [], [], _PATIENCE_S)
            assert ready, "the other process says nothing"
            block = channel.read1(65536)  # type: ignore[attr-defined] # a BufferedReader
            assert block, f"the other process has ended: {self.complaints}"
            self._said += block
        line, _, self._said = self._said.partition(b"\n")
        return line.decode()

    def go_on(self) -> None:
        """Let it go on."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def end(self, *, status: int = 0) -> list[str]:
        """Wait until it has ended by itself; returns the lines it still said."""
        out, _ = self._process.communicate(timeout=_PATIENCE_S)
        assert self._process.returncode == status, self.complaints
        return (self._said + out).decode().splitlines()

    def kill(self) -> None:
        """End it at once, wherever it is."""
        self._process.kill()
        self._process.wait(_PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self.kill()
        for channel in (self._process.stdin, self._process.stdout):
            if channel is not None:
                channel.close()
        self._complaints.close()


class Worker(Other):
    """One run of worker.py."""

    def __init__(self, verb: str, **arguments: object) -> None:
        super().__init__("worker.py", verb, json.dumps(arguments))
