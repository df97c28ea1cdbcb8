"""The network block itself is tested: a guard that does not guard is worse than none."""

from __future__ import annotations

import socket

import pytest


def test_other_hosts_are_refused() -> None:
    with pytest.raises(OSError, match="tests have no network"):
        socket.create_connection(("192.0.2.1", 80))


def test_loopback_is_allowed() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()):
        pass
