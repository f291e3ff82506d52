"""Publishes by WHIP with GStreamer's webrtcbin: `gstreamer_publisher.py URL KEY VP8|H264`.

Offers at once, trickles its candidates (RFC 9725 §4.3.2), and ends its session when its standard input ends. It prints a line
of JSON for each thing that happens.
"""

import json
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

url, key, codec = sys.argv[1:4]
VIDEO = {
    "VP8": "vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay picture-id-mode=2 ! application/x-rtp,media=video,encoding-name=VP8,payload=96",
    "H264": "openh264enc gop-size=30 ! video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 aggregate-mode=zero-latency"
    " ! application/x-rtp,media=video,encoding-name=H264,payload=97,packetization-mode=(string)1,profile-level-id=(string)42e01f",
}
Gst.init(None)
pipe = Gst.parse_launch(
    "webrtcbin name=rtc bundle-policy=max-bundle"
    " audiotestsrc is-live=true wave=ticks ! audioconvert ! audioresample ! opusenc ! rtpopuspay pt=111"
    " ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! rtc."
    " videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=25/1 ! videoconvert ! "
    + VIDEO[codec]
    + " ! rtc."
)
rtc = pipe.get_by_name("rtc")
loop = GLib.MainLoop()
# Until the session is there candidates wait.
session, etag, waiting = None, None, []
lock = threading.Lock()


def tell(**happening) -> None:
    print(json.dumps(happening), flush=True)


def ask(method: str, where: str, body: str = "", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(where, body.encode() or None, headers, method=method)
    try:
        return urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        return error


def trickle(index: int, candidate: str) -> None:
    with lock:
        if session is None:
            return waiting.append((index, candidate))
    fragment = f"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:audio{index}\r\na={candidate}\r\n"
    answer = ask("PATCH", session, fragment, Content_Type="application/trickle-ice-sdpfrag", If_Match=etag)
    tell(patched=answer.status)


def offered(promise) -> None:
    global session, etag
    # The description is the reply's, which must not go before it.
    reply = promise.get_reply()
    offer = reply.get_value("offer")
    rtc.emit("set-local-description", offer, None)
    answer = ask("POST", url, offer.sdp.as_text(), Content_Type="application/sdp")
    text = answer.read().decode()
    tell(posted=answer.status, **({"problem": text} if answer.status != 201 else {}))
    if answer.status != 201:
        return loop.quit()
    _, message = GstSdp.SDPMessage.new_from_text(text)
    kind = GstWebRTC.WebRTCSDPType.ANSWER
    rtc.emit("set-remote-description", GstWebRTC.WebRTCSessionDescription.new(kind, message), None)
    with lock:
        session, etag = urllib.parse.urljoin(url, answer.headers["Location"]), answer.headers["ETag"]
        late = list(waiting)
    for index, candidate in late:
        trickle(index, candidate)


def needed(_) -> None:
    rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(offered))


def state(*_) -> None:
    tell(state=rtc.get_property("connection-state").value_nick)


def end() -> None:
    sys.stdin.read()
    if session is not None:
        tell(deleted=ask("DELETE", session).status)
    loop.quit()


for index in range(2):
    rtc.emit("get-transceiver", index).set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
rtc.connect("on-negotiation-needed", needed)
rtc.connect("on-ice-candidate", lambda _, index, candidate: trickle(index, candidate))
rtc.connect("notify::connection-state", state)
pipe.set_state(Gst.State.PLAYING)
threading.Thread(target=end, daemon=True).start()
loop.run()
pipe.set_state(Gst.State.NULL)
