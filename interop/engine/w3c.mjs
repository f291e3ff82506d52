/**
 * One connection of a stack that has the W3C interface, driven by tasks: in a page, or in Node for libwebrtc.
 *
 * The language of all sides, ours too (`crates/endpoint/examples/interop_peer.rs`): a task is an object with `do`
 *
 * - `create` a channel: `label`, `protocol`, `ordered`, `maxRetransmits`, `maxPacketLifeTime`;
 * - `offer`, `answer` (with the offer as `sdp`): gives the description; `take` the answer `sdp`;
 * - `candidate`: `candidate` (empty at the end), `mid`, `index`;
 * - `send` on the channel `label`: `kind` "text" or "binary", `data` (binary in hexadecimal digits); with `count` so many
 *   times, with number and count as the first eight bytes;
 * - `media`: sends sound and pictures from the next description on, and tells what comes: `codec` of the pictures, `VP8` or
 *   `H264`; `video` and `audio`, files of frames for a stack without encoders (IVF); `record`, where ours keeps what comes;
 * - `close channel` with `label`; `restart` ICE, for the next offer; `stats`: gives an object; `close`;
 *
 * and what happens is an object with `event`: `candidate`, `open` (with the channel's properties, and `remote`),
 * `message` (as it was sent), `tally` (what came of a flood: a channel whose label begins so is counted instead of
 * shown; `messages`, `bytes`, `hash` by FNV-1a of 32 bits), `media` (once for each `kind`, "video" and "audio", when enough
 * has come and, where the stack has decoders, was decoded), `closed`, `state` of the connection, `pair` (ours: there is a path), `ended` (ours: nothing
 * flows any more), `gone` (a page: nothing follows), `trouble`.
 *
 * Stands alone, because its text goes into the page.
 *
 * @typedef {Record<string, any>} Task
 * @typedef {Record<string, any>} Happening
 *
 * @param {typeof RTCPeerConnection} PeerConnection
 * @param {() => Promise<MediaStreamTrack[]>} [tracks] Sound and pictures to send; a page's camera and microphone by default.
 * @param {(kind: string) => RTCRtpCodec[]} [codecs] What there is for pictures; as the page says by default.
 * @returns {{ act: (task: Task) => Promise<unknown>, next: () => Promise<Happening[]> }}
 */
export function w3c(PeerConnection, tracks, codecs) {
  /** @type {Happening[]} */
  let waiting = []
  let wake = () => {}
  /** @param {Happening} happening */
  const tell = (happening) => {
    waiting.push(happening)
    wake()
  }
  /** @type {Map<string, RTCDataChannel>} */
  const channels = new Map()
  const encode = (/** @type {Uint8Array} */ bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  const decode = (/** @type {string} */ text) => Uint8Array.from({ length: text.length / 2 }, (_, n) => parseInt(text.slice(2 * n, 2 * n + 2), 16))

  /** @param {RTCDataChannel} channel @param {boolean} remote */
  const watch = (channel, remote) => {
    const { label } = channel
    channels.set(label, channel)
    channel.binaryType = 'arraybuffer'
    let tally = { messages: 0, bytes: 0, hash: 0x811c9dc5 }
    channel.onmessage = ({ data }) => {
      if (typeof data === 'string') return tell({ event: 'message', label, kind: 'text', data })
      const bytes = new Uint8Array(data)
      if (!label.startsWith('flood')) return tell({ event: 'message', label, kind: 'binary', data: encode(bytes) })
      let { hash } = tally
      for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
      tally = { messages: tally.messages + 1, bytes: tally.bytes + bytes.length, hash: hash >>> 0 }
      if (new DataView(data).getUint32(4) === tally.messages) {
        tell({ event: 'tally', label, ...tally })
        tally = { messages: 0, bytes: 0, hash: 0x811c9dc5 }
      }
    }
    channel.onclose = () => tell({ event: 'closed', label })
    const { protocol, ordered, maxRetransmits, maxPacketLifeTime } = channel
    const opened = () => tell({ event: 'open', label, protocol, ordered, maxRetransmits, maxPacketLifeTime, remote })
    if (channel.readyState === 'open') opened()
    else channel.onopen = opened
  }

  const pc = new PeerConnection()
  /** Pictures, and packets of sound, after which it is told that they come. */
  const ENOUGH = 40
  /** @param {string} codec */
  const media = async (codec) => {
    const camera = async () => (await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 240 } })).getTracks()
    for (const track of await (tracks ?? camera)()) pc.addTrack(track)
    const known = codecs ? codecs('video') : RTCRtpReceiver.getCapabilities('video')?.codecs ?? []
    const wanted = known.filter(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`.toLowerCase())
    if (wanted.length === 0) throw new Error(`it has no ${codec}`)
    for (const transceiver of pc.getTransceivers()) if (transceiver.sender.track?.kind === 'video') transceiver.setCodecPreferences(wanted)
    const timer = setInterval(async () => {
      /** @type {any[]} */
      const stats = [...(await pc.getStats()).values()].filter(({ type }) => type === 'inbound-rtp')
      for (const kind of ['video', 'audio']) {
        const came = stats.find((one) => (one.kind ?? one.mediaType) === kind)
        const frames = kind === 'video' ? came?.framesDecoded : came?.packetsReceived
        if (!(frames >= ENOUGH) || seen.has(kind)) continue
        seen.add(kind)
        tell({ event: 'media', kind, frames, size: `${came.frameWidth}x${came.frameHeight}` })
      }
      if (seen.size === 2 || pc.connectionState === 'closed') clearInterval(timer)
    }, 100)
  }
  /** @type {Set<string>} */
  const seen = new Set()
  pc.ontrack = ({ track }) => {
    if (typeof document === 'undefined') return
    // What nobody shows is not decoded everywhere.
    const player = document.body.appendChild(document.createElement(track.kind === 'video' ? 'video' : 'audio'))
    player.muted = true
    player.srcObject = new MediaStream([track])
    void player.play()
  }
  pc.onicecandidate = ({ candidate }) =>
    tell({ event: 'candidate', candidate: candidate?.candidate ?? '', mid: candidate?.sdpMid ?? '0', index: candidate?.sdpMLineIndex ?? 0, ufrag: candidate?.usernameFragment ?? '' })
  pc.onconnectionstatechange = () => tell({ event: 'state', state: pc.connectionState })
  pc.ondatachannel = ({ channel }) => watch(channel, true)
  let restart = false

  /** @param {Task} task */
  const act = async (task) => {
    switch (task['do']) {
      case 'create': {
        const { label, protocol = '', ordered = true, maxRetransmits, maxPacketLifeTime } = task
        /** @type {RTCDataChannelInit} */
        const init = { protocol, ordered }
        if (maxRetransmits !== undefined) init.maxRetransmits = maxRetransmits
        if (maxPacketLifeTime !== undefined) init.maxPacketLifeTime = maxPacketLifeTime
        return watch(pc.createDataChannel(label, init), false)
      }
      case 'media':
        return media(task['codec'])
      case 'offer':
        await pc.setLocalDescription(await pc.createOffer({ iceRestart: restart }))
        restart = false
        return pc.localDescription?.sdp
      case 'answer':
        await pc.setRemoteDescription({ type: 'offer', sdp: task['sdp'] })
        await pc.setLocalDescription(await pc.createAnswer())
        return pc.localDescription?.sdp
      case 'take':
        return pc.setRemoteDescription({ type: 'answer', sdp: task['sdp'] })
      case 'candidate': {
        const { candidate, mid, index } = task
        return pc.addIceCandidate({ candidate, sdpMid: mid, sdpMLineIndex: index })
      }
      case 'send': {
        const channel = channels.get(task['label'])
        if (task['kind'] === 'text') return channel?.send(task['data'])
        const bytes = decode(task['data'])
        for (let n = 0; n < (task['count'] ?? 1); n++) {
          if (task['count']) {
            const view = new DataView(bytes.buffer)
            view.setUint32(0, n)
            view.setUint32(4, task['count'])
          }
          channel?.send(bytes.slice())
        }
        return
      }
      case 'close channel':
        return channels.get(task['label'])?.close()
      case 'restart':
        restart = true
        return
      case 'stats': {
        const all = [...(await pc.getStats()).values()]
        return all.find(({ type }) => type === 'transport') ?? {}
      }
      case 'close':
        pc.close()
        return tell({ event: 'gone' })
      default:
        throw new Error(`\`${task['do']}\` is nothing that can be done`)
    }
  }
  const next = async () => {
    if (waiting.length === 0) await /** @type {Promise<void>} */ (new Promise((resolve) => (wake = resolve)))
    const happened = waiting
    waiting = []
    return happened
  }
  return { act, next }
}
