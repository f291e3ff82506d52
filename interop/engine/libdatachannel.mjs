/** libdatachannel, by way of the npm package node-datachannel and its own interface. */
import { PeerConnection } from 'node-datachannel'
import { serve, tell } from './lines.mjs'

const pc = new PeerConnection('interop', { iceServers: [], disableAutoNegotiation: true, maxMessageSize: 262_144 })
/** @type {Map<string, import('node-datachannel').DataChannel>} */
const channels = new Map()

pc.onLocalCandidate((candidate, mid) => tell({ event: 'candidate', candidate: candidate.replace(/^a=/, ''), mid, index: 0 }))
pc.onGatheringStateChange((state) => state === 'complete' && tell({ event: 'candidate', candidate: '', mid: '0', index: 0 }))
pc.onStateChange((state) => tell({ event: 'state', state }))
pc.onDataChannel((channel) => watch(channel, true))

/** @param {import('node-datachannel').DataChannel} channel @param {boolean} remote @param {object} [asked] */
function watch(channel, remote, asked = {}) {
  const label = channel.getLabel()
  channels.set(label, channel)
  const empty = { messages: 0, bytes: 0, hash: 0x811c9dc5 }
  let tally = empty
  channel.onMessage((data) => {
    if (typeof data === 'string') return tell({ event: 'message', label, kind: 'text', data })
    const bytes = Buffer.from(/** @type {Buffer} */ (data))
    if (!label.startsWith('flood')) return tell({ event: 'message', label, kind: 'binary', data: bytes.toString('hex') })
    let { hash } = tally
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
    tally = { messages: tally.messages + 1, bytes: tally.bytes + bytes.length, hash: hash >>> 0 }
    if (bytes.readUInt32BE(4) !== tally.messages) return
    tell({ event: 'tally', label, ...tally })
    tally = empty
  })
  channel.onClosed(() => tell({ event: 'closed', label }))
  // Its interface has no way to ask a channel how reliable it is.
  const opened = () => tell({ event: 'open', label, protocol: channel.getProtocol?.(), remote, ...asked })
  if (channel.isOpen()) opened()
  else channel.onOpen(opened)
}

/** The description, as soon as there is one of this type. @param {string} type */
async function local(type) {
  const described = new Promise((resolve) => pc.onLocalDescription((sdp, kind) => kind === type && resolve(sdp)))
  pc.setLocalDescription(/** @type {any} */ (type === 'offer' ? 'offer' : 'answer'))
  return described
}

void serve(async (task) => {
  switch (task['do']) {
    case 'create': {
      const { label, protocol = '', ordered = true, maxRetransmits, maxPacketLifeTime } = task
      const init = { protocol, unordered: !ordered, maxRetransmits, maxPacketLifeTime }
      return watch(pc.createDataChannel(label, JSON.parse(JSON.stringify(init))), false, { ordered, maxRetransmits, maxPacketLifeTime })
    }
    case 'offer':
      return local('offer')
    case 'answer':
      pc.setRemoteDescription(task['sdp'], 'offer')
      return local('answer')
    case 'take':
      return pc.setRemoteDescription(task['sdp'], 'answer')
    case 'candidate':
      if (task['candidate']) pc.addRemoteCandidate(task['candidate'], task['mid'])
      return
    case 'send': {
      const channel = channels.get(task['label'])
      if (task['kind'] === 'text') return channel?.sendMessage(task['data'])
      const bytes = Buffer.from(task['data'], 'hex')
      for (let n = 0; n < (task['count'] ?? 1); n++) {
        if (task['count']) {
          bytes.writeUInt32BE(n, 0)
          bytes.writeUInt32BE(task['count'], 4)
        }
        channel?.sendMessageBinary(Buffer.from(bytes))
      }
      return
    }
    case 'close channel':
      return channels.get(task['label'])?.close()
    case 'stats':
      return {}
    case 'close':
      return pc.close()
    default:
      throw new Error(`${task['do']} is nothing that this interface has`)
  }
})
