"""Publishes by WHIP with the muxer of FFmpeg 8: `ffmpeg_publisher.py URL KEY FOLDER`, and ends its session when its standard
input ends. It prints a line of JSON for each thing that happens.

FFmpeg is the one inside PyAV. The certificate is made in FOLDER: where FFmpeg was built with GnuTLS, the one that it makes by
itself has a key on P-224, which the server does not take.
"""

import json
import os
import subprocess
import sys
import threading
import time
from fractions import Fraction

import av

WIDTH, HEIGHT, RATE = 640, 360, 25
SAMPLES = 960

url, key, folder = sys.argv[1:4]
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()


def tell(**happening) -> None:
    print(json.dumps(happening), flush=True)


def identity() -> dict[str, str]:
    files = {"cert_file": os.path.join(folder, "certificate.pem"), "key_file": os.path.join(folder, "key.pem")}
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=encoder", "-days", "2"]
    made = ["openssl", "req", "-x509", *curve, "-keyout", files["key_file"], "-out", files["cert_file"]]
    subprocess.run(made, check=True, stderr=subprocess.DEVNULL)
    return files


def picture(n: int) -> av.VideoFrame:
    """A grey that changes, with a bar that moves."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    luma, *chroma = frame.planes
    line = bytearray([64 + n % 128]) * luma.line_size
    line[n * 8 % WIDTH :][:16] = bytes([235]) * len(line[n * 8 % WIDTH :][:16])
    luma.update(bytes(line[: luma.line_size]) * luma.height)
    for plane in chroma:
        plane.update(bytes([128]) * plane.buffer_size)
    frame.pts, frame.time_base = n, Fraction(1, RATE)
    return frame


def silence(at: int) -> av.AudioFrame:
    frame = av.AudioFrame(format="s16", layout="stereo", samples=SAMPLES)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
    return frame


tell(version=".".join(map(str, av.library_versions["libavformat"])))
with av.open(url, "w", format="whip", options={"authorization": key, **identity()}) as out:
    options = {"profile": "baseline", "preset": "ultrafast", "tune": "zerolatency", "g": str(RATE)}
    video = out.add_stream("libx264", rate=RATE, options=options)
    video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    audio = out.add_stream("libopus", rate=48_000)
    audio.layout = "stereo"
    begin, n, heard = time.monotonic(), 0, 0
    while not ended.wait(max(0, begin + n / RATE - time.monotonic())):
        out.mux(video.encode(picture(n)))
        n += 1
        if n == 1:
            tell(state="connected")
        while heard * RATE < n * 48_000:
            out.mux(audio.encode(silence(heard)))
            heard += SAMPLES
tell(deleted=200)
