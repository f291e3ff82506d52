/**
 * Two peers of one stack in one process, which may speak through their relays alone, exchange messages over a data
 * channel. Shared by the stacks that have the W3C interface in JavaScript.
 *
 * Every program of this folder takes one argument, the JSON of `Task`, and prints one line, the JSON of `Result`.
 */
import { createHash } from 'node:crypto'

/**
 * @typedef {object} Task
 * @property {string} url A `turn:` or `turns:` URL.
 * @property {string} username
 * @property {string} credential
 * @property {number} messages How many go each way.
 * @property {number} size Bytes in each.
 *
 * @typedef {object} Result
 * @property {string[]} candidates The types of all candidates of both sides.
 * @property {number} received How many messages arrived, both ways together.
 * @property {boolean} intact Whether they arrived complete, in order and unchanged.
 * @property {number} ms From the start to the last message.
 */

/** @returns {Task} */
export function task() {
  return JSON.parse(process.argv[2] ?? '{}')
}

/**
 * @param {typeof RTCPeerConnection} PeerConnection
 * @param {Task} task
 * @returns {Promise<Result>}
 */
export async function exchange(PeerConnection, { url, username, credential, messages, size }) {
  const start = performance.now()
  /** @type {RTCConfiguration} */
  const config = { iceServers: [{ urls: [url], username, credential }], iceTransportPolicy: 'relay' }
  const [a, b] = [new PeerConnection(config), new PeerConnection(config)]
  /** @type {string[]} */
  const candidates = []
  trickle(a, b, candidates)
  trickle(b, a, candidates)
  // Agreed by number, so that both sides listen before anything can arrive: what arrives before, this libwebrtc
  // package hands over out of order.
  const [near, far] = [a, b].map((peer) => peer.createDataChannel('test', { negotiated: true, id: 0 }))
  const outcome = Promise.all([converse(spoken(near), 1, messages, size), converse(spoken(far), 2, messages, size)])
  await a.setLocalDescription(await a.createOffer())
  await b.setRemoteDescription(described(a))
  await b.setLocalDescription(await b.createAnswer())
  await a.setRemoteDescription(described(b))
  const [x, y] = await outcome
  const ms = Math.round(performance.now() - start)
  a.close()
  b.close()
  return { candidates, received: x.received + y.received, intact: x.intact && y.intact, ms }
}

/**
 * What `converse` needs of a data channel.
 *
 * @typedef {object} Channel
 * @property {(bytes: Uint8Array) => void} send
 * @property {(opened: () => void) => void} whenOpen Calls back once it is open, at once if it is.
 * @property {(arrived: (bytes: Uint8Array) => void) => void} whenMessage
 */

/** @param {RTCDataChannel} channel @returns {Channel} */
function spoken(channel) {
  channel.binaryType = 'arraybuffer'
  return {
    send: (bytes) => channel.send(new Uint8Array(bytes)),
    whenOpen: (opened) => (channel.readyState === 'open' ? opened() : (channel.onopen = opened)),
    whenMessage: (arrived) => (channel.onmessage = ({ data }) => arrived(new Uint8Array(data))),
  }
}

/** @param {RTCPeerConnection} from @param {RTCPeerConnection} to @param {string[]} types */
function trickle(from, to, types) {
  /** @type {RTCIceCandidate[]} */
  let early = []
  from.onicecandidate = ({ candidate }) => {
    if (!candidate?.candidate) return
    types.push(/ typ (\w+)/.exec(candidate.candidate)?.[1] ?? 'unknown')
    if (to.remoteDescription?.type) void to.addIceCandidate(candidate)
    else early.push(candidate)
  }
  const set = to.setRemoteDescription.bind(to)
  to.setRemoteDescription = async (description) => {
    await set(description)
    for (const candidate of early) await to.addIceCandidate(candidate)
    early = []
  }
}

/** @param {RTCPeerConnection} peer */
function described(peer) {
  if (!peer.localDescription) throw new Error('no local description')
  return peer.localDescription
}

/**
 * Sends all messages once the channel is open, and resolves when as many have arrived.
 *
 * @param {Channel} channel
 * @param {1 | 2} side
 * @param {number} messages
 * @param {number} size
 * @returns {Promise<{ received: number, intact: boolean }>}
 */
export function converse(channel, side, messages, size) {
  const hash = createHash('sha256')
  let received = 0
  return new Promise((resolve) => {
    channel.whenMessage((bytes) => {
      hash.update(bytes)
      if (++received === messages) resolve({ received, intact: hash.digest('hex') === expected(3 - side, messages, size) })
    })
    channel.whenOpen(() => {
      for (let n = 0; n < messages; n++) channel.send(message(side, n, size))
    })
  })
}

/** Message `n` of a side: every byte says who sent it and which it is. @param {number} side @param {number} n @param {number} size */
function message(side, n, size) {
  return Buffer.alloc(size, (side * 100 + n) % 251)
}

/** @param {number} side @param {number} messages @param {number} size */
function expected(side, messages, size) {
  const hash = createHash('sha256')
  for (let n = 0; n < messages; n++) hash.update(message(side, n, size))
  return hash.digest('hex')
}
