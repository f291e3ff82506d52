/** libwebrtc, by way of the npm package @roamhq/wrtc. */
import wrtc from '@roamhq/wrtc'
import { serve, tell } from './lines.mjs'
import { w3c } from './w3c.mjs'

const { RTCAudioSource, RTCVideoSource } = wrtc.nonstandard

/** A grey that moves, and a tone. */
async function tracks() {
  const [video, audio] = [new RTCVideoSource(), new RTCAudioSource()]
  const [width, height, rate] = [320, 240, 48_000]
  let shade = 0
  setInterval(() => video.onFrame({ width, height, data: new Uint8ClampedArray((width * height * 3) / 2).fill(shade++ % 256) }), 40)
  const samples = Int16Array.from({ length: rate / 100 }, (_, n) => 8000 * Math.sin((2 * Math.PI * 500 * n) / rate))
  setInterval(() => audio.onData({ samples, sampleRate: rate, bitsPerSample: 16, channelCount: 1, numberOfFrames: samples.length }), 10)
  return [video.createTrack(), audio.createTrack()]
}

const { act, next } = w3c(wrtc.RTCPeerConnection, tracks, (kind) => wrtc.RTCRtpReceiver.getCapabilities(kind)?.codecs ?? [])
void serve(act)
// The package says 65,535 where the interface has null.
const said = (/** @type {string} */ _, /** @type {unknown} */ value) => (value === 65_535 ? null : value)
for (;;) for (const happening of await next()) tell(happening['event'] === 'open' ? JSON.parse(JSON.stringify(happening), said) : happening)
