/**
 * Runs inside a page, or in Node with another stack's RTCPeerConnection, and must therefore stand alone: makes two
 * peers, lets them describe all sorts of sessions to each other, and returns the descriptions by name.
 *
 * @param {typeof RTCPeerConnection} [Given]
 * @param {typeof MediaStream} [Stream]
 * @returns {Promise<Record<string, string>>}
 */
export async function describe(Given, Stream) {
  const PeerConnection = Given ?? RTCPeerConnection
  const MediaStreamOf = Stream ?? MediaStream
  /** @type {Record<string, string>} */
  const out = {}

  const gathered = (/** @type {RTCPeerConnection} */ pc) =>
    new Promise((resolve) => {
      const look = () => pc.iceGatheringState === 'complete' && resolve(undefined)
      pc.addEventListener('icegatheringstatechange', look)
      look()
    })
  const text = (/** @type {RTCPeerConnection} */ pc) => pc.localDescription?.sdp ?? ''
  const pair = async (/** @type {string} */ name, /** @type {(pc: RTCPeerConnection) => void} */ offerer, /** @type {(pc: RTCPeerConnection) => void} */ answerer) => {
    const [a, b] = [new PeerConnection(), new PeerConnection()]
    offerer(a)
    await a.setLocalDescription(await a.createOffer())
    await gathered(a)
    out[`${name}-offer`] = text(a)
    await b.setRemoteDescription({ type: 'offer', sdp: text(a) })
    answerer(b)
    await b.setLocalDescription(await b.createAnswer())
    await gathered(b)
    out[`${name}-answer`] = text(b)
    await a.setRemoteDescription({ type: 'answer', sdp: text(b) })
    return { a, b }
  }
  const sendrecv = (/** @type {RTCPeerConnection} */ pc) => pc.getTransceivers().forEach((t) => (t.direction = 'sendrecv'))

  const data = await pair('data', (pc) => pc.createDataChannel('test'), () => {})
  data.a.close()
  data.b.close()

  const call = await pair(
    'call',
    (pc) => {
      const stream = new MediaStreamOf()
      pc.addTransceiver('audio', { streams: [stream] })
      pc.addTransceiver('video', { streams: [stream] })
      pc.createDataChannel('test')
    },
    sendrecv,
  )
  // The video ends, another sound takes its place among the sections, and ICE starts anew.
  call.a.getTransceivers()[1]?.stop()
  call.a.addTransceiver('audio', { direction: 'sendonly' })
  await call.a.setLocalDescription(await call.a.createOffer({ iceRestart: true }))
  out['stopped-offer'] = text(call.a)
  await call.b.setRemoteDescription({ type: 'offer', sdp: out['stopped-offer'] })
  await call.b.setLocalDescription(await call.b.createAnswer())
  out['stopped-answer'] = text(call.b)
  call.a.close()
  call.b.close()

  try {
    const sendEncodings = ['h', 'm', 'l'].map((rid, n) => ({ rid, scaleResolutionDownBy: 2 ** n }))
    const simulcast = await pair('simulcast', (pc) => pc.addTransceiver('video', { direction: 'sendonly', sendEncodings }), () => {})
    simulcast.a.close()
    simulcast.b.close()
  } catch {
    // A stack without simulcast has nothing to show.
  }
  return out
}
