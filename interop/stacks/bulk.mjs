/**
 * Bulk data over one channel, one way, reliable and ordered, between two peers of one stack in this process: what
 * `cargo xtask bench datachannel` sets ours beside.
 *
 * `node bulk.mjs libwebrtc|libdatachannel BYTES MILLIS [NEAR FAR]` prints one line of JSON: Gbit/s by the clock, and for each
 * second of CPU time of the process, all threads of both ends together.
 */

const [stack = '', bytes, millis] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])]
/** The ports of a path between both ends (`dc-load link`): each reaches the other by one of them. */
const path = process.argv.length > 6 ? { near: process.argv[5], far: process.argv[6] } : null
/** What is given to the channel ahead of what was sent. */
const AHEAD = 4 << 20
/** Messages given in one go: the receiver's come by the same thread of JavaScript. */
const MOST = 64

/** @typedef {{ send: (message: Uint8Array) => void, buffered: () => number }} Channel */

/** What must not be collected while messages flow. @type {unknown[]} */
const kept = []
const pairs = { libwebrtc, libdatachannel }
const pair = pairs[/** @type {keyof typeof pairs} */ (stack)]
if (!pair || !(bytes > 0) || !(millis > 0)) throw new Error('usage: node bulk.mjs libwebrtc|libdatachannel BYTES MILLIS')

let received = 0
const begin = performance.now()
const channel = await pair((length) => {
  if (length !== bytes) throw new Error(`a message came as ${length} bytes`)
  received += length
})
const setup = performance.now() - begin
const message = new Uint8Array(bytes).fill(0x5a)
const fill = () => {
  for (let given = 0; given < MOST && channel.buffered() < AHEAD; given++) channel.send(message)
}
// By a clock: libwebrtc's package never calls onbufferedamountlow.
setInterval(fill, 1)
await after(millis / 5)
const [had, cpu, start] = [received, process.cpuUsage(), performance.now()]
await after(millis)
const [used, wall] = [process.cpuUsage(cpu), performance.now() - start]
const gbits = ((received - had) * 8) / 1e9
const busy = (used.user + used.system) / 1e6
console.log(
  JSON.stringify({
    bytes,
    gbit_s: gbits / (wall / 1000),
    gbit_s_per_core: gbits / busy,
    delivered: received - had,
    wall_ms: Math.round(wall),
    cpu_ms: Math.round(busy * 1000),
    setup_ms: setup,
  }),
)
process.exit(0)

/**
 * A candidate as the other end gets it: with the port of the path in place of its own; null for one that is not of UDP.
 *
 * @param {string} candidate @param {string | undefined} port
 */
function through(candidate, port) {
  const words = candidate.split(' ')
  if (path === null) return candidate
  if (port === undefined || words[2]?.toLowerCase() !== 'udp') return null
  words[5] = port
  return words.join(' ')
}

/** @param {number} ms @returns {Promise<void>} */
function after(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/**
 * libwebrtc, by way of the npm package @roamhq/wrtc.
 *
 * @param {(length: number) => void} arrived
 * @returns {Promise<Channel>}
 */
async function libwebrtc(arrived) {
  const { default: wrtc } = await import('@roamhq/wrtc')
  const [a, b] = [new wrtc.RTCPeerConnection(), new wrtc.RTCPeerConnection()]
  for (const [from, to, port] of [[a, b, path?.far], [b, a, path?.near]]) {
    from.onicecandidate = ({ candidate }) => {
      const told = candidate?.candidate ? through(candidate.candidate, port) : null
      if (told !== null) void to.addIceCandidate({ candidate: told, sdpMid: candidate.sdpMid, sdpMLineIndex: candidate.sdpMLineIndex })
    }
  }
  // Agreed by number, so that the far side listens before anything can arrive.
  const [near, far] = [a, b].map((peer) => peer.createDataChannel('bulk', { negotiated: true, id: 0 }))
  far.binaryType = 'arraybuffer'
  far.onmessage = ({ data }) => arrived(data.byteLength)
  const opened = new Promise((resolve) => (near.onopen = resolve))
  const offer = await a.createOffer()
  // The far side knows the offer before the first candidate is told.
  await b.setRemoteDescription(offer)
  await a.setLocalDescription(offer)
  const answer = await b.createAnswer()
  await a.setRemoteDescription(answer)
  await b.setLocalDescription(answer)
  await opened
  return {
    send: (bytes) => near.send(bytes),
    buffered: () => near.bufferedAmount,
  }
}

/**
 * libdatachannel, by way of the npm package node-datachannel.
 *
 * @param {(length: number) => void} arrived
 * @returns {Promise<Channel>}
 */
async function libdatachannel(arrived) {
  const { PeerConnection } = await import('node-datachannel')
  const config = { iceServers: [], maxMessageSize: 262_144 }
  const [a, b] = [new PeerConnection('near', config), new PeerConnection('far', config)]
  for (const [from, to, port] of [[a, b, path?.far], [b, a, path?.near]]) {
    // Candidates are told one by one, so that none goes past the path.
    from.onLocalDescription((sdp, type) => to.setRemoteDescription(path ? sdp.replace(/^a=candidate:.*\r?\n/gm, '') : sdp, type))
    from.onLocalCandidate((candidate, mid) => {
      const told = through(candidate, port)
      if (told !== null) to.addRemoteCandidate(told, mid)
    })
  }
  b.onDataChannel((far) => {
    // The channel ends when nobody holds it.
    kept.push(far)
    far.onMessage((data) => arrived(data.byteLength ?? data.length))
  })
  const near = a.createDataChannel('bulk')
  kept.push(a, b)
  await new Promise((resolve) => near.onOpen(() => resolve(undefined)))
  return {
    send: (bytes) => near.sendMessageBinary(bytes),
    buffered: () => near.bufferedAmount(),
  }
}
