"""A connection that is given up while it is made leaves no socket behind that could close another's."""

from __future__ import annotations

import asyncio
import socket

import pytest

from marginbot.loops import faster_loop


async def given_up() -> socket.socket:
    """A socket whose connection was cancelled after the loop had taken it."""
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    sock = socket.socket()
    sock.setblocking(False)
    await loop.sock_connect(sock, server.sockets[0].getsockname())
    making = asyncio.ensure_future(loop.create_connection(asyncio.Protocol, sock=sock))
    await asyncio.sleep(0)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    server.close()
    return sock


def test_a_socket_that_was_given_up_is_nobodys_any_more() -> None:
    factory = faster_loop()
    if factory is None:
        pytest.skip("uvloop is not installed here: the usual loop runs")
    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(given_up()).fileno() == -1
