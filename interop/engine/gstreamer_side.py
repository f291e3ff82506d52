"""GStreamer's webrtcbin, from Debian's gstreamer1.0-plugins-bad: w3c.mjs describes the language."""

import json
import re
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402
from side import ENOUGH, message, tell, wanted  # noqa: E402

VIDEO = {
    "VP80": ("vp8enc deadline=1 keyframe-max-dist=10 ! rtpvp8pay picture-id-mode=2", "VP8", "rtpvp8depay ! vp8dec"),
    "H264": (
        "openh264enc gop-size=10 ! video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 aggregate-mode=zero-latency",
        "H264,packetization-mode=(string)1,profile-level-id=(string)42e01f",
        "rtph264depay ! h264parse ! openh264dec",
    ),
}

Gst.init(None)
pipe = Gst.Pipeline.new("interop")
rtc = Gst.ElementFactory.make("webrtcbin", "rtc")
rtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
pipe.add(rtc)
channels = {}
seen = {"video": 0, "audio": 0}
film = None
loop = GLib.MainLoop()


def watch(channel, remote: bool) -> None:
    label = channel.get_property("label") or ""
    channels[label] = channel
    told = []

    def opened(*_) -> None:
        if told or channel.get_property("ready-state") != GstWebRTC.WebRTCDataChannelState.OPEN:
            return
        told.append(True)
        most, lifetime = channel.get_property("max-retransmits"), channel.get_property("max-packet-lifetime")
        shape = {"ordered": channel.get_property("ordered"), "protocol": channel.get_property("protocol") or ""}
        shape |= {"maxRetransmits": None if most < 0 else most, "maxPacketLifeTime": None if lifetime < 0 else lifetime}
        tell({"event": "open", "label": label, "remote": remote} | shape)

    channel.connect("on-message-string", lambda _, data: message(label, data or ""))
    channel.connect("on-message-data", lambda _, data: message(label, data.get_data() if data else b""))
    channel.connect("on-close", lambda _: tell({"event": "closed", "label": label}))
    channel.connect("on-open", opened)
    opened()


def send(task: dict) -> None:
    channel = channels[task["label"]]
    for one in wanted(task):
        channel.send_string(one) if isinstance(one, str) else channel.send_data(GLib.Bytes.new(one))


def wait(signal: str, *args):
    """What webrtcbin answers to a question."""
    promise = Gst.Promise.new()
    rtc.emit(signal, *args, promise)
    if promise.wait() != Gst.PromiseResult.REPLIED:
        raise RuntimeError(f"{signal} has no answer")
    reply = promise.get_reply()
    if reply and reply.has_field("error"):
        raise RuntimeError(f"{signal}: {reply.get_value('error')}")
    return reply


def local(kind: str) -> str:
    reply = wait(f"create-{kind}", None)
    description = reply.get_value(kind)
    wait("set-local-description", description)
    return description.sdp.as_text()


def remote(kind, text: str) -> None:
    result, sdp = GstSdp.SDPMessage.new_from_text(text)
    if result != GstSdp.SDPResult.OK:
        raise ValueError("that is no description")
    wait("set-remote-description", GstWebRTC.WebRTCSessionDescription.new(kind, sdp))


def attach(text: str):
    """Puts elements into the pipeline, which run when they are linked and told so."""
    part = Gst.parse_bin_from_description(text, True)
    pipe.add(part)
    return part


def numbers(sdp: str) -> dict:
    """Where an offer has its section of each kind, and the number of the codec there."""
    found = {}
    for index, section in enumerate(re.split(r"^m=", sdp, flags=re.M)[1:]):
        kind = section.split(" ")[0]
        name = {"VP80": "VP8/90000", "H264": "H264/90000"}[film] if kind == "video" else "opus/48000/2"
        known = re.findall(rf"^a=rtpmap:(\d+) {name}\r?$", section, flags=re.M | re.I)
        if name.startswith("H264"):
            fits = r"^a=fmtp:{} (?=.*packetization-mode=1)(?=.*profile-level-id=42e01f)"
            known = [one for one in known if re.search(fits.format(one), section, flags=re.M)]
        found[kind] = (f"sink_{index}", known[0])
    return found


def media(sinks: dict) -> None:
    """Sends a test picture and a tone of its own, as pads and payload types say."""
    encode, name, _ = VIDEO[film]
    source = f"videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! videoconvert ! {encode}"
    sound = "audiotestsrc is-live=true ! audioconvert ! opusenc ! rtpopuspay"
    for kind, text, codec in (("video", source, f"clock-rate=90000,encoding-name={name}"), ("audio", sound, "encoding-name=OPUS")):
        template, number = sinks[kind]
        part = attach(f"{text} ! capsfilter caps=application/x-rtp,media={kind},{codec},payload={number}")
        pad = part.get_static_pad("src")
        known = threading.Event()
        pad.connect("notify::caps", lambda *_: known.set())
        pad.link(rtc.request_pad_simple(template))
        part.sync_state_with_parent()
        # What it has not seen yet is missing in its descriptions.
        if not pad.has_current_caps() and not known.wait(5):
            raise RuntimeError("the source has no caps")


def take(_, pad) -> None:
    """Decodes what comes, and counts it."""
    kind = pad.get_current_caps().get_structure(0).get_string("media")
    if pad.direction != Gst.PadDirection.SRC:
        return
    decode = VIDEO[film][2] if kind == "video" else "rtpopusdepay ! opusdec"
    part = attach(f"queue ! {decode} ! fakesink name=end signal-handoffs=true sync=false")

    def decoded(_, __, at) -> None:
        seen[kind] += 1
        if seen[kind] == ENOUGH:
            caps = at.get_current_caps().get_structure(0)
            size = f"{caps.get_value('width')}x{caps.get_value('height')}" if kind == "video" else None
            tell({"event": "media", "kind": kind, "frames": ENOUGH, "size": size})

    part.get_by_name("end").connect("handoff", decoded)
    part.sync_state_with_parent()
    pad.link(part.get_static_pad("sink"))


def act(task: dict):
    global film
    match task["do"]:
        case "create":
            options = Gst.Structure.new_empty("options")
            options.set_value("ordered", task.get("ordered", True))
            options.set_value("protocol", task.get("protocol", ""))
            for name, key in (("max-retransmits", "maxRetransmits"), ("max-packet-lifetime", "maxPacketLifeTime")):
                if key in task:
                    options.set_value(name, task[key])
            watch(rtc.emit("create-data-channel", task["label"], options), False)
        case "media":
            with open(task["video"], "rb") as file:
                film = file.read(12)[8:].decode()
        case "offer":
            if film:
                media({"video": ("sink_%u", 96), "audio": ("sink_%u", 97)})
            return local("offer")
        case "answer":
            remote(GstWebRTC.WebRTCSDPType.OFFER, task["sdp"])
            if film:
                media(numbers(task["sdp"]))
            return local("answer")
        case "take":
            remote(GstWebRTC.WebRTCSDPType.ANSWER, task["sdp"])
        case "candidate":
            rtc.emit("add-ice-candidate", task["index"] or 0, task["candidate"])
        case "send":
            send(task)
        case "close channel":
            channels[task["label"]].close()
        case "stats":
            return {}
        case "close":
            loop.quit()
        case other:
            raise ValueError(f"{other} is nothing that webrtcbin can do")


def serve() -> None:
    for line in sys.stdin:
        task = json.loads(line)
        try:
            tell({"id": task["id"], "said": act(task)})
        except Exception as error:  # whatever it is, the other side wants to know
            tell({"id": task["id"], "error": repr(error)})
    loop.quit()


def gathered(*_) -> None:
    if rtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
        tell({"event": "candidate", "candidate": "", "mid": "0", "index": 0})


def trouble(_, said) -> None:
    if said.type == Gst.MessageType.ERROR:
        error, debug = said.parse_error()
        if "SCTP association went into error state" in debug:
            # How it tells that the other side has ended the association.
            for label in channels:
                tell({"event": "closed", "label": label})
            return
        tell({"event": "trouble", "what": f"{error.message} ({debug})"})


rtc.connect("on-ice-candidate", lambda _, index, text: tell({"event": "candidate", "candidate": text, "mid": "0", "index": index}))
rtc.connect("notify::ice-gathering-state", gathered)
rtc.connect("notify::connection-state", lambda *_: tell({"event": "state", "state": rtc.get_property("connection-state").value_nick}))
rtc.connect("on-data-channel", lambda _, channel: watch(channel, True))
rtc.connect("pad-added", take)
bus = pipe.get_bus()
bus.add_signal_watch()
bus.connect("message", trouble)
pipe.set_state(Gst.State.PLAYING)
threading.Thread(target=serve, daemon=True).start()
loop.run()
pipe.set_state(Gst.State.NULL)
