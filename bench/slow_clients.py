"""Clients who send or read a byte a second, all from this machine, as a process of their own.

    python -m bench.slow_clients PORT CLIENTS SECONDS COOKIES PATH...

CLIENTS of each kind: unfinished heads, unfinished bodies, answers read slowly (the PATHs in turn, with
COOKIES). Whoever is hung up on comes again. Ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import sys
import time

HOST = "127.0.0.1"  # and no other
BYTE_EACH_S = 1.0
AGAIN_AFTER_S = 1.0
LONG = 60 * 2**20


async def connected(port: int) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, (HOST, port))
    return client


async def send_slowly(client: socket.socket, begun: str) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, begun.encode())
    while True:
        await asyncio.sleep(BYTE_EACH_S)
        await loop.sock_sendall(client, b"x")


async def read_slowly(client: socket.socket, request: str) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, request.encode())
    while await loop.sock_recv(client, 1):
        await asyncio.sleep(BYTE_EACH_S)


async def be_slow(port: int, kind: str, text: str) -> None:
    """One client, until it is cancelled."""
    act = read_slowly if kind == "reads" else send_slowly
    while True:
        client = None
        with contextlib.suppress(OSError):
            client = await connected(port)
            await act(client, text)
        if client is not None:
            client.close()
        await asyncio.sleep(AGAIN_AFTER_S)


def clients(count: int, cookies: str, paths: list[str]) -> list[tuple[str, str]]:
    """Return kind and first words of each."""
    head = f"Host: {HOST}\r\nCookie: {cookies}\r\n"
    forms = itertools.cycle(["/login/", "/projects/import/"])
    found = [("heads", f"GET /login/ HTTP/1.1\r\nHost: {HOST}\r\nX-Long: ")] * count
    found += [
        (
            "bodies",
            f"POST {next(forms)} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {LONG}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n",
        )
        for _ in range(count)
    ]
    wanted = itertools.cycle(paths)
    return found + [("reads", f"GET {next(wanted)} HTTP/1.1\r\n{head}\r\n") for _ in range(count)]


async def attack(port: int, count: int, seconds: float, cookies: str, paths: list[str]) -> None:
    until = time.monotonic() + seconds
    tasks = [
        asyncio.create_task(be_slow(port, kind, text))
        for kind, text in clients(count, cookies, paths)
    ]
    print("begun", flush=True)
    await asyncio.sleep(until - time.monotonic())
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    port, count, seconds, cookies, *paths = sys.argv[1:]
    asyncio.run(attack(int(port), int(count), float(seconds), cookies, paths))
