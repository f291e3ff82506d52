/**
 * What a test sees of a page without the page's help. `install` runs in the page before its own scripts (so it must
 * stand alone): it remembers every RTCPeerConnection, when buttons were pressed and when pictures first moved.
 */

/**
 * @typedef {object} Hook
 * @property {RTCPeerConnection[]} connections All that were ever made, in order.
 * @property {{ name: string, at: number }[]} clicks Buttons pressed, ms since the epoch.
 * @property {{ at: number }[]} frames The first frame of each remote picture, ms since the epoch.
 * @property {Map<string, Blob>} blobs What the page offers to save, by its URL.
 * @property {() => Promise<Summary | null>} summary The newest open connection.
 * @property {() => Picture | null} picture The largest remote picture that is playing.
 * @property {() => Picture[]} pictures All remote pictures that are on the screen.
 * @property {(label: string) => Promise<number>} received The height of the frames that are decoded for the picture of that name, 0 without.
 * @property {Record<string, number[]>} painted When a frame of the remote picture of a name was painted, ms since the epoch, from `paint` on.
 * @property {(label: string) => void} paint Begins to note that, in whatever element the picture is.
 *
 * @typedef {object} Side
 * @property {string} type
 * @property {string} protocol
 * @property {string | undefined} relayProtocol How the browser speaks to its relay: udp, tcp or tls.
 * @property {string | undefined} address
 *
 * @typedef {object} Summary
 * @property {string} state
 * @property {Side | null} local Of the selected pair.
 * @property {Side | null} remote
 * @property {boolean} direct Whether some pair without a relay works, selected or not.
 * @property {number} framesDecoded
 * @property {number} framesSent
 * @property {number} width
 * @property {number[]} rates Pictures per second, of each that is received.
 * @property {string[]} modes The scalability modes of the encodings that are sent.
 * @property {number} audioEnergy Of what was received.
 * @property {number} audioPackets
 *
 * @typedef {object} Picture
 * @property {number} currentTime Seconds.
 * @property {number} width
 * @property {number} height
 * @property {string} label
 * @property {number} brightness The mean of its pixels, 0 to 255.
 * @property {number} variety How many different colours a small copy of it has.
 * @property {number} hue The colour that most of it has, 0 to 359.
 * @property {number} shown The height of its element, in pixels of the page.
 */

/** Runs in the page. */
export function install() {
  const Native = window.RTCPeerConnection
  if (!Native || 'interop' in window) return
  /** @type {RTCPeerConnection[]} */
  const connections = []
  /** @type {{ name: string, at: number }[]} */
  const clicks = []
  /** @type {{ at: number }[]} */
  const frames = []
  /** @type {Set<string>} */
  const remote = new Set()

  class Hooked extends Native {
    /** @param {RTCConfiguration} [config] */
    constructor(config) {
      super(config)
      connections.push(this)
      this.addEventListener('track', ({ track }) => remote.add(track.id))
    }
  }
  Object.defineProperty(Hooked, 'name', { value: 'RTCPeerConnection' })
  window.RTCPeerConnection = Hooked

  const isRemote = (/** @type {HTMLVideoElement} */ video) =>
    video.srcObject instanceof MediaStream && video.srcObject.getVideoTracks().some(({ id }) => remote.has(id))

  // A picture that is played out of sight is not seen yet.
  const awaitFrame = (/** @type {HTMLVideoElement} */ video) => video.requestVideoFrameCallback(() => {
    if (!isRemote(video)) return
    if (video.checkVisibility({ visibilityProperty: true, opacityProperty: true })) frames.push({ at: Date.now() })
    else awaitFrame(video)
  })

  document.addEventListener('click', ({ target }) => {
    const button = target instanceof Element ? target.closest('button') : null
    if (button) clicks.push({ name: button.ariaLabel ?? button.textContent?.trim() ?? '', at: Date.now() })
  }, true)
  // Media events do not bubble, but they can be caught on their way down.
  for (const event of ['loadstart', 'loadedmetadata']) {
    document.addEventListener(event, ({ target }) => {
      if (target instanceof HTMLVideoElement) awaitFrame(target)
    }, true)
  }

  // The page's policy lets nobody fetch what it offers to save, so the blobs are kept as they are made.
  /** @type {Map<string, Blob>} */
  const blobs = new Map()
  const { createObjectURL } = URL
  URL.createObjectURL = (object) => {
    const url = createObjectURL.call(URL, object)
    if (object instanceof Blob) blobs.set(url, object)
    return url
  }

  const summary = async () => {
    const peer = connections.findLast(({ connectionState }) => connectionState !== 'closed')
    if (!peer) return null
    /** @type {any[]} */
    const all = [...(await peer.getStats()).values()]
    const byId = new Map(all.map((stat) => [stat.id, stat]))
    const chosen = byId.get(all.find(({ type, selectedCandidatePairId }) => type === 'transport' && selectedCandidatePairId)?.selectedCandidatePairId)
    const pair = chosen ?? all.find(({ type, selected }) => type === 'candidate-pair' && selected)
    const side = (/** @type {string | undefined} */ id) => {
      const found = byId.get(id)
      return found ? { type: found.candidateType, protocol: found.protocol, relayProtocol: found.relayProtocol, address: found.address } : null
    }
    const of = (/** @type {string} */ type, /** @type {string} */ kind) => all.filter((stat) => stat.type === type && stat.kind === kind)
    const sum = (/** @type {any[]} */ stats, /** @type {string} */ field) => stats.reduce((total, stat) => total + (stat[field] ?? 0), 0)
    return {
      state: peer.connectionState,
      local: side(pair?.localCandidateId),
      remote: side(pair?.remoteCandidateId),
      direct: all.some((stat) => stat.type === 'candidate-pair' && stat.state === 'succeeded'
        && [stat.localCandidateId, stat.remoteCandidateId].every((id) => byId.get(id)?.candidateType !== 'relay')),
      framesDecoded: sum(of('inbound-rtp', 'video'), 'framesDecoded'),
      framesSent: sum(of('outbound-rtp', 'video'), 'framesSent'),
      width: Math.max(0, ...of('inbound-rtp', 'video').map(({ frameWidth }) => frameWidth ?? 0)),
      rates: of('inbound-rtp', 'video').filter(({ framesDecoded }) => framesDecoded > 0).map(({ framesPerSecond }) => framesPerSecond ?? 0),
      modes: of('outbound-rtp', 'video').map(({ scalabilityMode }) => scalabilityMode ?? ''),
      audioEnergy: sum(of('inbound-rtp', 'audio'), 'totalAudioEnergy'),
      audioPackets: sum(of('inbound-rtp', 'audio'), 'packetsReceived'),
    }
  }

  const playing = () => [...document.querySelectorAll('video')].filter((video) => isRemote(video) && video.videoWidth > 0 && getComputedStyle(video).visibility === 'visible')

  const picture = () => {
    const video = playing().sort((a, b) => b.clientWidth - a.clientWidth)[0]
    return video ? look(video) : null
  }

  const pictures = () => playing().map(look).filter((found) => found !== null)

  /** @param {HTMLVideoElement} video @returns {Picture | null} */
  const look = (video) => {
    const canvas = document.createElement('canvas')
    canvas.width = 32
    canvas.height = 24
    const context = canvas.getContext('2d', { willReadFrequently: true })
    if (!context) return null
    context.drawImage(video, 0, 0, canvas.width, canvas.height)
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height)
    const colours = new Set()
    let light = 0
    /** @type {number[]} */
    const hues = new Array(12).fill(0)
    for (let i = 0; i < data.length; i += 4) {
      const [r = 0, g = 0, b = 0] = data.subarray(i, i + 3)
      light += (r + g + b) / 3
      colours.add((r >> 4) * 256 + (g >> 4) * 16 + (b >> 4))
      const most = Math.max(r, g, b)
      const spread = most - Math.min(r, g, b)
      if (spread < 30) continue
      const turn = most === r ? ((g - b) / spread + 6) % 6 : most === g ? (b - r) / spread + 2 : (r - g) / spread + 4
      hues[Math.round(turn * 2) % 12] += 1
    }
    const pixels = data.length / 4
    return { currentTime: video.currentTime, width: video.videoWidth, height: video.videoHeight, label: video.ariaLabel ?? '', brightness: light / pixels, variety: colours.size, hue: hues.indexOf(Math.max(...hues)) * 30, shown: video.clientHeight }
  }

  const received = async (/** @type {string} */ label) => {
    const video = playing().find(({ ariaLabel }) => ariaLabel === label)
    const track = video?.srcObject instanceof MediaStream ? video.srcObject.getVideoTracks()[0] : undefined
    const receiver = connections.flatMap((peer) => (peer.connectionState === 'closed' ? [] : peer.getReceivers())).find((it) => it.track === track)
    const all = receiver ? [...(await receiver.getStats()).values()] : []
    return all.find(({ type }) => type === 'inbound-rtp')?.frameHeight ?? 0
  }

  /** @type {Record<string, number[]>} */
  const painted = {}
  const paint = (/** @type {string} */ label) => {
    /** @type {number[]} */
    const times = (painted[label] = [])
    const followed = new WeakSet()
    const follow = () => {
      for (const video of document.querySelectorAll('video')) {
        if (video.ariaLabel !== label || followed.has(video)) continue
        followed.add(video)
        const frame = () => {
          if (video.isConnected && isRemote(video)) times.push(Date.now())
          if (video.isConnected) video.requestVideoFrameCallback(frame)
        }
        video.requestVideoFrameCallback(frame)
      }
    }
    follow()
    new MutationObserver(follow).observe(document.body, { childList: true, subtree: true })
  }

  Object.defineProperty(window, 'interop', { value: { connections, clicks, frames, blobs, summary, picture, pictures, received, painted, paint } })
}
