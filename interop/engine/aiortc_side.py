"""aiortc, from Debian's python3-aiortc: w3c.mjs describes the language."""

import asyncio
import json
import sys

from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from aiortc.sdp import candidate_from_sdp
from side import ENOUGH, message, tell, wanted

pc = RTCPeerConnection()
channels = {}


def watch(channel, remote: bool) -> None:
    label = channel.label
    channels[label] = channel

    channel.on("message", lambda data: message(label, data))
    channel.on("close", lambda: tell({"event": "closed", "label": label}))

    def opened() -> None:
        shape = {"ordered": channel.ordered, "maxRetransmits": channel.maxRetransmits}
        shape |= {"maxPacketLifeTime": channel.maxPacketLifeTime, "protocol": channel.protocol}
        tell({"event": "open", "label": label, "remote": remote} | shape)

    if channel.readyState == "open":
        opened()
    else:
        channel.on("open", opened)


def send(task: dict) -> None:
    for one in wanted(task):
        channels[task["label"]].send(one)


async def play(track) -> None:
    for _ in range(ENOUGH):
        frame = await track.recv()
    size = f"{frame.width}x{frame.height}" if track.kind == "video" else None
    tell({"event": "media", "kind": track.kind, "frames": ENOUGH, "size": size})
    while True:
        await track.recv()


def media(codec: str) -> None:
    pc.addTrack(AudioStreamTrack())
    pc.addTrack(VideoStreamTrack())
    for transceiver in pc.getTransceivers():
        if transceiver.kind == "video":
            known = RTCRtpSender.getCapabilities("video").codecs
            transceiver.setCodecPreferences([one for one in known if one.mimeType == f"video/{codec}"])


players = set()


async def act(task: dict):
    match task["do"]:
        case "create":
            names = ("protocol", "ordered", "maxRetransmits", "maxPacketLifeTime")
            watch(pc.createDataChannel(task["label"], **{name: task[name] for name in names if name in task}), False)
        case "media":
            media(task["codec"])
        case "offer":
            await pc.setLocalDescription(await pc.createOffer())
            return pc.localDescription.sdp
        case "answer":
            await pc.setRemoteDescription(RTCSessionDescription(sdp=task["sdp"], type="offer"))
            await pc.setLocalDescription(await pc.createAnswer())
            return pc.localDescription.sdp
        case "take":
            await pc.setRemoteDescription(RTCSessionDescription(sdp=task["sdp"], type="answer"))
        case "candidate" if task["candidate"]:
            candidate = candidate_from_sdp(task["candidate"].removeprefix("candidate:"))
            candidate.sdpMid, candidate.sdpMLineIndex = task["mid"], task["index"]
            await pc.addIceCandidate(candidate)
        case "candidate":
            await pc.addIceCandidate(None)
        case "send":
            send(task)
        case "close channel":
            channels[task["label"]].close()
        case "stats":
            return {}
        case "close":
            await pc.close()
        case other:
            raise ValueError(f"{other} is nothing that aiortc can do")


async def answer(task: dict) -> None:
    try:
        tell({"id": task["id"], "said": await act(task)})
    except Exception as error:  # whatever it is, the other side wants to know
        tell({"id": task["id"], "error": repr(error)})


async def main() -> None:
    pc.on("connectionstatechange", lambda: tell({"event": "state", "state": pc.connectionState}))
    pc.on("track", lambda track: players.add(asyncio.ensure_future(play(track))))
    pc.on("datachannel", lambda channel: watch(channel, True))
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        await answer(json.loads(line))


asyncio.run(main())
