"""A WebSocket server and client of other people's making: `websockets`.

    websocket.py serve             prints "port N" and serves until it is ended
    websocket.py ask HOST PORT     asks it, through whatever listens there, and says what did not work
"""

import asyncio
import sys

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

LIMIT = 32 * 1024 * 1024
TARGET = {"x-node-id": "node-a", "x-tenant-id": "tenant-a"}


async def answer(connection):
    path = connection.request.path
    if path == "/close":
        await connection.close(4002, "enough")
        return
    async for message in connection:
        await connection.send(message)


async def run_server():
    async with serve(answer, "127.0.0.1", 0, max_size=LIMIT, subprotocols=["chat"]) as server:
        print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


async def ask(host, port):
    def open(path, **options):
        return connect(f"ws://{host}:{port}{path}", additional_headers=TARGET, max_size=LIMIT, proxy=None, subprotocols=["chat"], **options)

    async with open("/echo") as connection:
        assert connection.subprotocol == "chat", connection.subprotocol
        extensions = [extension.name for extension in connection.protocol.extensions]
        assert extensions == ["permessage-deflate"], extensions
        for message in ["text", b"bytes", "", "ä" * 1000]:
            await connection.send(message)
            assert await connection.recv() == message
        await asyncio.wait_for(await connection.ping(b"still there?"), 10)
        await connection.send(["in ", "three ", "fragments"])
        assert await connection.recv() == "in three fragments"
        await connection.close(4001, "done")
        assert (connection.close_code, connection.close_reason) == (4001, "done")

    async with open("/echo", compression=None) as connection:
        big = bytes(range(256)) * (16 * 1024 * 1024 // 256)
        await connection.send(big)
        assert await connection.recv() == big

        async def send():
            for number in range(5000):
                await connection.send(str(number))

        sending = asyncio.create_task(send())
        for number in range(5000):
            assert await connection.recv() == str(number)
        await sending

    async with open("/close") as connection:
        try:
            await connection.recv()
            raise AssertionError("it closes")
        except websockets.ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (4002, "enough"), closed
    print("all passed", flush=True)


if sys.argv[1] == "serve":
    asyncio.run(run_server())
else:
    asyncio.run(asyncio.wait_for(ask(sys.argv[2], int(sys.argv[3])), 60))
