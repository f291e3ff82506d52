"""aiortc, from Debian's python3-aiortc: see exchange.mjs for the argument and the output."""

import asyncio
import functools
import hashlib
import json
import re
import sys
import time

import aioice
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection
from aiortc import rtcicetransport


def message(side: int, n: int, size: int) -> bytes:
    return bytes([(side * 100 + n) % 251]) * size


def expected(side: int, messages: int, size: int) -> str:
    return hashlib.sha256(b"".join(message(side, n, size) for n in range(messages))).hexdigest()


async def converse(channel, side: int, messages: int, size: int) -> tuple[int, str]:
    digest = hashlib.sha256()
    done = asyncio.get_running_loop().create_future()
    received = 0

    @channel.on("message")
    def on_message(data: bytes) -> None:
        nonlocal received
        digest.update(data)
        received += 1
        if received == messages:
            done.set_result(None)

    def say() -> None:
        for n in range(messages):
            channel.send(message(side, n, size))

    if channel.readyState == "open":
        say()
    else:
        channel.on("open", say)
    await done
    return received, digest.hexdigest()


async def exchange(task: dict) -> dict:
    start = time.monotonic()
    messages, size = task["messages"], task["size"]
    server = RTCIceServer(urls=[task["url"]], username=task["username"], credential=task["credential"])
    a, b = (RTCPeerConnection(RTCConfiguration(iceServers=[server])) for _ in range(2))
    channel = a.createDataChannel("test")
    near = asyncio.ensure_future(converse(channel, 1, messages, size))
    far = asyncio.get_running_loop().create_future()
    b.on("datachannel", lambda other: far.set_result(asyncio.ensure_future(converse(other, 2, messages, size))))
    await a.setLocalDescription(await a.createOffer())
    await b.setRemoteDescription(a.localDescription)
    await b.setLocalDescription(await b.createAnswer())
    await a.setRemoteDescription(b.localDescription)
    (received, first), (more, second) = await near, await (await far)
    ms = round((time.monotonic() - start) * 1000)
    candidates = [kind for peer in (a, b) for kind in re.findall(r"a=candidate:.* typ (\w+)", peer.localDescription.sdp)]
    await asyncio.gather(a.close(), b.close())
    intact = first == expected(2, messages, size) and second == expected(1, messages, size)
    return {"candidates": candidates, "received": received + more, "intact": intact, "ms": ms}


# This version of aiortc has no iceTransportPolicy, but the ICE library under it has.
rtcicetransport.Connection = functools.partial(aioice.Connection, transport_policy=aioice.ice.TransportPolicy.RELAY)
print(json.dumps(asyncio.run(exchange(json.loads(sys.argv[1])))))
