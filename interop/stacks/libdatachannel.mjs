/** libdatachannel, by way of the npm package node-datachannel and its own interface. Its ICE library knows TURN over UDP alone. */
import { PeerConnection } from 'node-datachannel'
import { converse, task } from './exchange.mjs'

const start = performance.now()
const { url, username, credential, messages, size } = task()
const [, hostname = '', port] = /^turn:([^:?]+):(\d+)/.exec(url) ?? []
const iceServers = [{ hostname, port: Number(port), username, password: credential, relayType: /** @type {const} */ ('TurnUdp') }]
const [a, b] = ['a', 'b'].map((name) => new PeerConnection(name, { iceServers, iceTransportPolicy: 'relay' }))
if (!a || !b) throw new Error('two peers')

/** @type {string[]} */
const candidates = []
for (const [from, to] of /** @type {const} */ ([[a, b], [b, a]])) {
  from.onLocalDescription((sdp, type) => to.setRemoteDescription(sdp, type))
  from.onLocalCandidate((candidate, mid) => {
    candidates.push(/ typ (\w+)/.exec(candidate)?.[1] ?? 'unknown')
    to.addRemoteCandidate(candidate, mid)
  })
}
/** @type {Promise<import('node-datachannel').DataChannel>} */
const far = new Promise((resolve) => b.onDataChannel(resolve))
const near = a.createDataChannel('test')
const [x, y] = await Promise.all([converse(spoken(near), 1, messages, size), far.then((other) => converse(spoken(other), 2, messages, size))])
const ms = Math.round(performance.now() - start)
console.log(JSON.stringify({ candidates, received: x.received + y.received, intact: x.intact && y.intact, ms }))
process.exit(0)

/** @param {import('node-datachannel').DataChannel} channel @returns {import('./exchange.mjs').Channel} */
function spoken(channel) {
  return {
    send: (bytes) => channel.sendMessageBinary(bytes),
    whenOpen: (opened) => (channel.isOpen() ? opened() : channel.onOpen(opened)),
    whenMessage: (arrived) => channel.onMessage((data) => arrived(typeof data === 'string' ? Buffer.from(data) : new Uint8Array(data))),
  }
}
