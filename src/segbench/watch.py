"""How the processes of a run notice that one of them is gone, however it went, and end too.

A collective operation waits for all, for ever if one was killed. So each process has a connection to the first, which
says nothing until its end: the kernel closes it within a moment when a process is killed, and keeps asking a machine
that has gone silent. A thread listens, as the main one may hang where nothing interrupts it.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import selectors
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from segbench.errors import LostProcess, SegbenchError
from segbench.processes import from_first
from segbench.words import first_line

log = logging.getLogger("segbench")
_POLL_SECONDS = 0.2
# How long the main thread may take to notice by itself, to save nothing more and to say why.
_GRACE_SECONDS = 10.0
# How long is waited for the reason when an operation with the others has failed.
_REASON_SECONDS = 3.0
_CONNECT_SECONDS = 60.0
# Seconds until a silent machine is asked, between questions, and how many it may leave unanswered.
_KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


class Watch:
    """Notices that another process of the run has ended, says why, and ends this one if it does not end by itself.

    Args:
        rank: This process's number, from 0.
        size: How many there are.

    Attributes:
        lost: Why another process has ended before its work was done; None while none has.
        on_loss: Called with that reason before this process is ended because its main thread hangs.
    """

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self.lost: SegbenchError | None = None
        self.on_loss: Callable[[SegbenchError], object] = lambda error: None
        self._children: Sequence[subprocess.Popen[bytes]] = ()
        self._links: dict[socket.socket, int] = {}
        self._told, self._ended = threading.Event(), threading.Event()

    def begin(self, address: str, children: Sequence[subprocess.Popen[bytes]] = ()) -> None:
        """Connect with the first process; to be called by all of them, once they have met.

        Args:
            address: That of the first process's machine.
            children: The processes that this one has started, if any, by their numbers from 1.
        """
        self._children = children
        links = self._accept(address) if self.rank == 0 else self._connect(address)
        for link in links:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE.items():
                if hasattr(socket, name):  # Linux has all three
                    link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self._links = links
        threading.Thread(target=self._watch, daemon=True).start()

    def _accept(self, address: str) -> dict[socket.socket, int]:
        here = "127.0.0.1" if address == "127.0.0.1" else ""
        with socket.create_server((here, 0)) as server:
            server.settimeout(_CONNECT_SECONDS)
            token: str = from_first(secrets.token_hex(16))
            from_first(server.getsockname()[1])
            links = dict[socket.socket, int]()
            while len(links) < self.size - 1:
                link, _ = server.accept()
                link.settimeout(_CONNECT_SECONDS)
                # Unbuffered, or what the process says at its end would be taken with it.
                said = link.makefile("rb", buffering=0).readline(100).decode(errors="replace").split()
                # Whoever else connects has no token.
                if len(said) == 2 and said[0] == token:
                    links[link] = int(said[1])
                else:
                    link.close()
            return links

    def _connect(self, address: str) -> dict[socket.socket, int]:
        token, port = from_first(None), from_first(None)
        link = socket.create_connection((address, port), timeout=_CONNECT_SECONDS)
        link.sendall(f"{token} {self.rank}\n".encode())
        return {link: 0}

    def _watch(self) -> None:
        while self.lost is None and not self._ended.wait(_POLL_SECONDS):
            with selectors.DefaultSelector() as selector:
                for link in self._links:
                    selector.register(link, selectors.EVENT_READ)
                ready: list[Any] = [key.fileobj for key, _ in selector.select(_POLL_SECONDS)]
            for link in ready:
                self._hear(link)
        if self.lost is not None and not self._ended.wait(_GRACE_SECONDS if self.rank == 0 else 0):
            self.on_loss(self.lost)
            os._exit(self.lost.exit_code)

    def _hear(self, link: Any) -> None:
        """Take what another process says at its end; nothing if it was killed."""
        text = b""
        with suppress(OSError):
            while part := link.recv(4096):
                text += part
        rank = self._links.pop(link)
        link.close()
        try:
            said = json.loads(text)
            code, reason = int(said["code"]), str(said["reason"])
        except (ValueError, LookupError, TypeError):
            self._lose(self._vanished(rank))
            return
        if code:
            error = SegbenchError(reason)
            error.exit_code = code
            self._lose(error)
        elif self.rank or not self._links:
            self._ended.set()  # all have done their work

    def _vanished(self, rank: int) -> LostProcess:
        how = "ended without a word (was it killed?)"
        if rank and self._children:
            with suppress(subprocess.TimeoutExpired):
                code = self._children[rank - 1].wait(1)
                how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return LostProcess(f"process {rank} of {self.size} {how}; run the same command again to resume")

    def _lose(self, error: SegbenchError) -> None:
        self.lost = self.lost or error
        self._told.set()

    def cause(self, error: BaseException) -> BaseException:
        """Return why this process has really failed: for an operation with another one that is gone, its reason.

        From here on the process is left to end by itself.
        """
        if isinstance(error, RuntimeError):
            self._told.wait(_REASON_SECONDS)
        self._ended.set()
        return self.lost if self.lost is not None and isinstance(error, RuntimeError) else error

    def end(self, error: BaseException | None) -> None:
        """Tell the others that this process ends now, and why if not because its work is done."""
        self._ended.set()
        said = {"code": 0, "reason": ""}
        if error is not None:
            code = getattr(error, "exit_code", 1)
            known = isinstance(error, SegbenchError)
            said = {
                "code": code,
                "reason": str(error) if known else f"unexpected {type(error).__name__}: {first_line(error)}",
            }
        for link in list(self._links):
            with suppress(OSError):
                link.sendall(json.dumps(said).encode())
                link.close()
