/** Peer connections, tracks and channels without a browser: the states of RFC 8829 and W3C WebRTC, no media. */
import type { Clock, PeerConnectionLike } from '../src/environment.js'

const FINGERPRINT_BYTES = 32

/** Connects peer connections, and can be broken. */
export class FakeNetwork {
  broken = false
  /** Whether there are relays that everybody reaches. */
  relays = true
  private all: FakePeerConnection[] = []
  private owners = new Map<unknown, FakePeerConnection[]>()
  private count = 0

  constructor(readonly clock: Clock) {}

  add(pc: FakePeerConnection): number {
    this.all.push(pc)
    return ++this.count
  }

  own(owner: unknown, like: PeerConnectionLike): PeerConnectionLike {
    const pc = this.all.find((it) => it.like === like)
    if (pc) this.owners.set(owner, [...(this.owners.get(owner) ?? []), pc])
    return like
  }

  /** What becomes of the peer connections of a page that goes away. */
  closeOf(owner: unknown): void {
    for (const pc of this.owners.get(owner) ?? []) pc.close()
    this.owners.delete(owner)
  }

  /** The peer connections of a page that are open, oldest first. */
  openOf(owner: unknown): FakePeerConnection[] { return (this.owners.get(owner) ?? []).filter(({ signalingState }) => signalingState !== 'closed') }

  get open(): FakePeerConnection[] { return this.all.filter(({ signalingState }) => signalingState !== 'closed') }

  find(fragment: string): FakePeerConnection | undefined {
    return this.open.find((pc) => pc.fragment === fragment)
  }

  /** No packet gets through any more, as when a network is left. */
  break(): void {
    this.broken = true
    for (const pc of this.open) pc.turn('disconnected')
  }

  mend(): void { this.broken = false }
}

type Direction = RTCRtpTransceiverDirection
interface FakeTransceiver {
  mid: string | null
  readonly kind: string
  direction: Direction
  codecs: string[]
  setCodecPreferences(codecs: readonly { mimeType: string }[]): void
  readonly sender: {
    track: unknown
    replaceTrack(track: unknown): Promise<void>
    setStreams(): void
    getParameters(): { encodings: RTCRtpEncodingParameters[] }
    setParameters(parameters: { encodings: RTCRtpEncodingParameters[] }): Promise<void>
  }
  readonly receiver: { readonly track: unknown }
}

export class FakePeerConnection {
  signalingState: RTCSignalingState = 'stable'
  iceConnectionState: RTCIceConnectionState = 'new'
  connectionState: RTCPeerConnectionState = 'new'
  localDescription: RTCSessionDescriptionInit | null = null
  remoteDescription: RTCSessionDescriptionInit | null = null
  currentLocalDescription: RTCSessionDescriptionInit | null = null
  currentRemoteDescription: RTCSessionDescriptionInit | null = null
  onnegotiationneeded: (() => void) | null = null
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null
  oniceconnectionstatechange: (() => void) | null = null
  onconnectionstatechange: (() => void) | null = null
  readonly sctp = { maxMessageSize: 262_144 }
  readonly like = this as unknown as PeerConnectionLike
  readonly channels: FakeChannel[] = []
  fragment: string
  configured: RTCConfiguration
  /** The candidates of the other side that were taken, whatever became of them. */
  readonly taken: string[] = []
  private readonly number: number
  private generation = 1
  private restart = false
  private transceivers: FakeTransceiver[] = []
  private candidates = new Set<string>()

  /** With `lite` its candidates stand in its descriptions, and it needs none of the other side (RFC 8445 §2.5). */
  constructor(private readonly network: FakeNetwork, configuration: RTCConfiguration, private readonly lite = false) {
    this.configured = configuration
    this.number = network.add(this)
    this.fragment = this.nextFragment()
  }

  addTransceiver(kind: string, init: { direction: Direction; sendEncodings?: RTCRtpEncodingParameters[] }): FakeTransceiver {
    const transceiver = this.transceiver(kind, init.direction, null, init.sendEncodings)
    this.needNegotiation()
    return transceiver
  }

  getTransceivers(): FakeTransceiver[] { return this.transceivers }

  createDataChannel(label: string, init: { id: number }): FakeChannel {
    const channel = new FakeChannel(this.network.clock, label, init.id)
    this.channels.push(channel)
    return channel
  }

  async setLocalDescription(): Promise<void> {
    this.mustBeOpen()
    const answer = this.signalingState === 'have-remote-offer'
    if (!answer && this.signalingState !== 'stable') throw new Error(`InvalidStateError: ${this.signalingState}`)
    if (this.restart) {
      this.restart = false
      this.fragment = this.nextFragment()
      this.candidates.clear()
    }
    this.transceivers.forEach((transceiver, index) => { transceiver.mid ??= String(index) })
    this.localDescription = { type: answer ? 'answer' : 'offer', sdp: this.sdp() }
    this.signalingState = answer ? 'stable' : 'have-local-offer'
    if (answer) this.settle()
    this.gather(this.fragment)
  }

  async setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    this.mustBeOpen()
    const sdp = description.sdp ?? ''
    if (sdp.includes('visavis')) throw new Error('the attribute reached the browser')
    if (description.type === 'offer') {
      if (this.signalingState === 'have-local-offer') this.rollBack()
      if (this.signalingState !== 'stable') throw new Error(`InvalidStateError: ${this.signalingState}`)
      this.remoteDescription = description
      this.signalingState = 'have-remote-offer'
      // Transceivers of our own that no description has named yet are never matched with the offer's (RFC 8829 §5.10).
      const named = this.transceivers.filter(({ mid }) => mid !== null).length
      const kinds = [...sdp.matchAll(/^m=(audio|video)/gm)].map((match) => match[1] ?? '')
      kinds.slice(named).forEach((kind, index) => this.transceiver(kind, 'recvonly', String(named + index)))
      if (this.remoteFragment() !== this.rememberedFragment) this.candidates.clear()
    } else {
      if (this.signalingState !== 'have-local-offer') throw new Error(`InvalidStateError: ${this.signalingState}`)
      this.remoteDescription = description
      this.signalingState = 'stable'
      this.settle()
    }
    this.rememberedFragment = this.remoteFragment()
    if (/^a=candidate:/m.test(sdp)) this.candidates.add('lite')
    this.tryConnect()
  }

  async addIceCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    if (this.remoteDescription === null) throw new Error('InvalidStateError: no remote description')
    if (candidate.usernameFragment !== this.remoteFragment()) throw new Error('OperationError: unknown generation')
    this.candidates.add(candidate.candidate ?? '')
    this.taken.push(candidate.candidate ?? '')
    this.tryConnect()
  }

  restartIce(): void {
    this.restart = true
    this.needNegotiation()
  }

  setConfiguration(configuration: RTCConfiguration): void { this.configured = configuration }

  async getStats(): Promise<Map<string, object>> {
    const decoded = this.iceConnectionState === 'connected' ? this.transceivers.filter(({ kind, mid }) => kind === 'video' && mid !== null && (this.decoding === null || this.decoding.has(mid))) : []
    return new Map(decoded.map(({ mid }) => [`in-${mid}`, { id: `in-${mid}`, type: 'inbound-rtp', kind: 'video', mid, framesDecoded: 9 }]))
  }

  close(): void {
    if (this.signalingState === 'closed') return
    const other = this.other()
    this.signalingState = 'closed'
    this.iceConnectionState = this.connectionState = 'closed'
    for (const channel of this.channels) channel.shut()
    other?.abandoned()
  }

  turn(state: 'connected' | 'disconnected' | 'failed'): void {
    if (this.signalingState === 'closed' || this.iceConnectionState === state) return
    if (state !== 'connected' && this.iceConnectionState === 'new') return
    this.iceConnectionState = this.connectionState = state
    this.oniceconnectionstatechange?.()
    this.onconnectionstatechange?.()
    if (state === 'disconnected') this.network.clock.after(15_000, () => { if (this.iceConnectionState === 'disconnected') this.turn('failed') })
  }

  /** The `mid`s of sections whose pictures are decoded; null for all that receive. */
  decoding: Set<string> | null = null
  private rememberedFragment = ''

  private abandoned(): void {
    // DTLS close_notify ends the channels at once; ICE notices later.
    this.network.clock.after(1, () => { for (const channel of this.channels) channel.shut() })
    this.network.clock.after(5_000, () => this.turn('disconnected'))
  }

  private settle(): void {
    this.currentLocalDescription = this.localDescription
    this.currentRemoteDescription = this.remoteDescription
    if (this.iceConnectionState === 'new' || this.iceConnectionState === 'failed') {
      const { fragment } = this
      this.iceConnectionState = this.connectionState = 'checking' as never
      this.network.clock.after(15_000, () => { if (this.iceConnectionState === 'checking' && fragment === this.fragment) this.turn('failed') })
    }
    this.tryConnect()
    if (this.restart) this.needNegotiation()
  }

  private rollBack(): void {
    this.signalingState = 'stable'
    this.localDescription = this.currentLocalDescription
    if (this.currentLocalDescription === null) for (const transceiver of this.transceivers) transceiver.mid = null
    else this.restart = true
  }

  private tryConnect(): void {
    if (this.network.broken || this.signalingState !== 'stable') return
    const other = this.other()
    // One check is enough for both: where it comes from is a candidate, too (RFC 8445 §7.3.1.3).
    if (!other || other.other() !== this || !(this.canCheck || other.canCheck)) return
    this.network.clock.after(5, () => {
      if (this.network.broken || this.other() !== other || other.other() !== this) return
      for (const channel of this.channels) {
        const twin = other.channels.find(({ id }) => id === channel.id)
        if (twin) channel.join(twin)
      }
      this.turn('connected')
      other.turn('connected')
    })
  }

  /** The other end, if both descriptions in force name each other. */
  private other(): FakePeerConnection | undefined {
    const remote = this.currentRemoteDescription
    return remote === null || this.signalingState === 'closed' ? undefined : this.network.find(fragmentIn(remote.sdp ?? ''))
  }

  private get canCheck(): boolean { return this.lite || this.candidates.size > 0 }

  private remoteFragment(): string { return fragmentIn(this.remoteDescription?.sdp ?? '') }

  private gather(fragment: string): void {
    const host = `192.0.2.${this.number} 9 typ host`
    const relayed = `198.51.100.1 ${this.number} typ relay raddr 192.0.2.${this.number} rport 9`
    const found = [...(this.configured.iceTransportPolicy === 'relay' ? [] : [host]), ...(this.network.relays ? [relayed] : [])]
    for (const [index, rest] of found.entries()) {
      this.network.clock.after(index + 1, () => {
        if (this.signalingState === 'closed' || fragment !== this.fragment) return
        this.onicecandidate?.({ candidate: { candidate: `candidate:${index} 1 udp 1 ${rest}`, sdpMid: '0', sdpMLineIndex: 0, usernameFragment: fragment } })
      })
    }
    this.network.clock.after(3, () => { if (fragment === this.fragment) this.onicecandidate?.({ candidate: null }) })
  }

  private needNegotiation(): void {
    this.network.clock.after(0, () => { if (this.signalingState === 'stable') this.onnegotiationneeded?.() })
  }

  private sdp(): string {
    const byte = this.number.toString(16).padStart(2, '0').toUpperCase()
    const lite = this.lite ? 'a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n' : ''
    const media = this.transceivers.map(({ kind, mid, direction }) => `m=${kind} 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:${mid}\r\na=${direction}\r\n${lite}a=ice-ufrag:${this.fragment}\r\na=fingerprint:sha-256 ${Array(FINGERPRINT_BYTES).fill(byte).join(':')}\r\n`)
    // A connection for data alone has one section.
    if (media.length === 0) media.push(`m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\na=ice-ufrag:${this.fragment}\r\na=fingerprint:sha-256 ${Array(FINGERPRINT_BYTES).fill(byte).join(':')}\r\n`)
    return `v=0\r\no=- ${this.number} ${this.generation++} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n${media.join('')}`
  }

  private nextFragment(): string { return `frag${this.number}x${this.generation}` }

  private transceiver(kind: string, direction: Direction, mid: string | null, sendEncodings: RTCRtpEncodingParameters[] = [{}]): FakeTransceiver {
    let encodings = sendEncodings
    const transceiver: FakeTransceiver = {
      mid, kind, direction, codecs: [],
      setCodecPreferences(codecs) { this.codecs = codecs.map(({ mimeType }) => mimeType) },
      sender: {
        track: null,
        async replaceTrack(track) { this.track = track },
        setStreams() {},
        getParameters: () => ({ encodings: encodings.map((encoding) => ({ ...encoding })) }),
        setParameters: async (parameters) => { encodings = parameters.encodings },
      },
      receiver: { track: { kind } },
    }
    this.transceivers.push(transceiver)
    return transceiver
  }

  private mustBeOpen(): void {
    if (this.signalingState === 'closed') throw new Error('InvalidStateError: closed')
  }
}

export class FakeChannel {
  readyState: RTCDataChannelState = 'connecting'
  /** Messages that were sent. */
  sent = 0
  bufferedAmount = 0
  bufferedAmountLowThreshold = 0
  binaryType = 'arraybuffer'
  onopen: (() => void) | null = null
  onclose: (() => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onbufferedamountlow: (() => void) | null = null
  private twin: FakeChannel | null = null

  constructor(private readonly clock: Clock, readonly label: string, readonly id: number) {}

  join(twin: FakeChannel): void {
    if (this.readyState !== 'connecting' || twin.readyState !== 'connecting') return
    this.twin = twin
    twin.twin = this
    for (const channel of [this, twin]) {
      channel.readyState = 'open'
      this.clock.after(0, () => channel.onopen?.())
    }
  }

  send(data: string | ArrayBuffer | Uint8Array<ArrayBuffer>): void {
    if (this.readyState !== 'open') throw new Error('InvalidStateError')
    this.sent++
    const size = typeof data === 'string' ? data.length : data.byteLength
    this.bufferedAmount += size
    const { twin } = this
    this.clock.after(1, () => {
      const before = this.bufferedAmount
      this.bufferedAmount -= size
      if (twin?.readyState === 'open') twin.onmessage?.({ data: data instanceof Uint8Array ? data.slice().buffer : data })
      if (before > this.bufferedAmountLowThreshold && this.bufferedAmount <= this.bufferedAmountLowThreshold) this.onbufferedamountlow?.()
    })
  }

  shut(): void {
    if (this.readyState === 'closed') return
    this.readyState = 'closed'
    this.onclose?.()
  }
}

/** A camera, a microphone and a screen that everybody allows. */
export function fakeDevices(width = 1280, height = 720): MediaDevices {
  const track = (kind: string) => ({ kind, enabled: true, readyState: 'live', label: kind, contentHint: '', onended: null, getSettings: () => ({ deviceId: kind, ...(kind === 'video' ? { width, height } : {}) }), stop: () => {} })
  const stream = (kind: string) => ({ getTracks: () => [track(kind)], getVideoTracks: () => [track(kind)] })
  return {
    addEventListener: () => {}, removeEventListener: () => {}, enumerateDevices: async () => [],
    getUserMedia: async ({ video }: MediaStreamConstraints) => stream(video ? 'video' : 'audio'),
    getDisplayMedia: async () => stream('video'),
  } as unknown as MediaDevices
}

export function fakeStream(): MediaStream {
  let tracks: unknown[] = []
  return {
    dispatchEvent: () => true,
    getTracks: () => tracks,
    addTrack: (track: unknown) => { if (!tracks.includes(track)) tracks = [...tracks, track] },
    removeTrack: (track: unknown) => { tracks = tracks.filter((other) => other !== track) },
  } as unknown as MediaStream
}

function fragmentIn(sdp: string): string {
  return /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1] ?? ''
}
