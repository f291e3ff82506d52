"""Bulk data over one channel, one way, reliable and ordered, between two peers of aiortc in this process, with sockets on
this machine: what `cargo xtask bench datachannel` sets ours beside. From Debian's python3-aiortc.

`aiortc_pair.py BYTES MILLIS` prints one JSON object with the fields of `dc-load bulk`.
"""

import asyncio
import json
import sys
import time

from aiortc import RTCPeerConnection

# Bytes given to the channel ahead of what was sent.
AHEAD = 1 << 20


async def connect(size: int, arrived) -> tuple:
    """Two connected peers and the open channel of the first."""
    near, far = RTCPeerConnection(), RTCPeerConnection()

    @far.on("datachannel")
    def _(channel) -> None:
        @channel.on("message")
        def _(message: bytes) -> None:
            if len(message) != size:
                raise ValueError(f"a message came as {len(message)} bytes")
            arrived(len(message))

    channel = near.createDataChannel("bulk")
    opened = asyncio.Event()
    channel.on("open", opened.set)
    await near.setLocalDescription(await near.createOffer())
    await far.setRemoteDescription(near.localDescription)
    await far.setLocalDescription(await far.createAnswer())
    await near.setRemoteDescription(far.localDescription)
    await opened.wait()
    return near, far, channel


async def main(size: int, seconds: float) -> None:
    received = 0

    def arrived(length: int) -> None:
        nonlocal received
        received += length

    begin = time.perf_counter()
    near, far, channel = await connect(size, arrived)
    setup = time.perf_counter() - begin

    message = bytes(size)

    def fill() -> None:
        while channel.bufferedAmount < AHEAD:
            channel.send(message)

    channel.bufferedAmountLowThreshold = AHEAD // 2
    channel.on("bufferedamountlow", fill)
    fill()
    await asyncio.sleep(seconds / 5)
    had, used, start = received, time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    delivered, busy, wall = received - had, time.process_time() - used, time.perf_counter() - start
    if delivered == 0:
        sys.exit("nothing came")
    gbits = delivered * 8 / 1e9
    print(json.dumps({
        "bytes": size,
        "gbit_s": gbits / wall,
        "gbit_s_per_core": gbits / busy,
        "delivered": delivered,
        "wall_ms": round(wall * 1000),
        "cpu_ms": round(busy * 1000),
        "setup_ms": setup * 1000,
    }), flush=True)
    await asyncio.gather(near.close(), far.close())


if len(sys.argv) != 3:
    sys.exit("usage: aiortc_pair.py BYTES MILLIS")
asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]) / 1000))
