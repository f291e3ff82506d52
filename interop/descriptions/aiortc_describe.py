"""What aiortc, from Debian's python3-aiortc, offers and answers, as JSON: see capture.mjs."""

import asyncio
import json

from aiortc import RTCPeerConnection


async def pair(out: dict, name: str, prepare) -> None:
    a, b = RTCPeerConnection(), RTCPeerConnection()
    prepare(a)
    await a.setLocalDescription(await a.createOffer())
    out[f"{name}-offer"] = a.localDescription.sdp
    await b.setRemoteDescription(a.localDescription)
    await b.setLocalDescription(await b.createAnswer())
    out[f"{name}-answer"] = b.localDescription.sdp
    await asyncio.gather(a.close(), b.close())


def call(peer: RTCPeerConnection) -> None:
    peer.addTransceiver("audio")
    peer.addTransceiver("video")
    peer.createDataChannel("test")


async def main() -> None:
    out: dict = {}
    await pair(out, "data", lambda peer: peer.createDataChannel("test"))
    await pair(out, "call", call)
    print(json.dumps(out))


asyncio.run(main())
