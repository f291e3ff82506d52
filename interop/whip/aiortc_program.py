"""Publishes by WHIP or watches by WHEP with aiortc: `aiortc_program.py publish|watch URL KEY`.

It ends its session when its standard input ends, and prints a line of JSON for each thing that happens.
"""

import asyncio
import json
import sys
import urllib.parse
import urllib.request

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

role, url, key = sys.argv[1:4]
# Frames after which it is told that they come.
ENOUGH = 30


def tell(**happening) -> None:
    print(json.dumps(happening), flush=True)


def ask(method: str, where: str, body: str = ""):
    headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {key}"}
    return urllib.request.urlopen(urllib.request.Request(where, body.encode() or None, headers, method=method), timeout=10)


async def count(track) -> None:
    for _ in range(ENOUGH):
        frame = await track.recv()
    size = {"width": frame.width, "height": frame.height} if track.kind == "video" else {}
    tell(plays=track.kind, **size)
    while True:
        await track.recv()


async def main() -> None:
    peer = RTCPeerConnection()
    peer.on("connectionstatechange", lambda: tell(state=peer.connectionState))
    tasks = []
    if role == "publish":
        for track in (AudioStreamTrack(), VideoStreamTrack()):
            peer.addTransceiver(track, direction="sendonly")
    else:
        for kind in ("audio", "video"):
            peer.addTransceiver(kind, direction="recvonly")

        @peer.on("track")
        def track(track) -> None:
            tasks.append(asyncio.ensure_future(count(track)))

    await peer.setLocalDescription(await peer.createOffer())
    answer = ask("POST", url, peer.localDescription.sdp)
    tell(posted=answer.status)
    await peer.setRemoteDescription(RTCSessionDescription(answer.read().decode(), "answer"))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    tell(deleted=ask("DELETE", urllib.parse.urljoin(url, answer.headers["Location"])).status)
    for task in tasks:
        task.cancel()
    await peer.close()


asyncio.run(main())
