/**
 * One RTCPeerConnection and its negotiation.
 *
 * Whoever makes the first offer (`open`) lays out four media sections, always these and in this order:
 *
 *     0 audio    microphone      2 video    screen
 *     1 video    camera          3 application  control and bulk data channels
 *
 * All are sendrecv from the first offer to the end. Turning a camera on or off, changing the device or sharing the
 * screen is `replaceTrack` and nothing more: no new offer, no gap. What a section carries follows from its place;
 * whether it carries anything the control channel says. The answerer adds no transceivers of its own (JSEP, RFC 8829
 * §5.10, would not match them) but takes those that the offer makes.
 *
 * Later offers come from ICE restarts only. Two at once are settled by perfect negotiation (W3C WebRTC §10.7): the
 * polite side rolls back. Only the very first two at once cannot be: the polite side's own transceivers would remain
 * beside those of the offer. Then it takes a fresh peer connection (`replace`), which costs nothing yet.
 *
 * Everything that touches the descriptions runs one after the other in `work`; so `signalingState` is true when
 * it is looked at, and candidates stay behind the description they belong to.
 */
import { promising } from './candidates.js'
import type { Clock, PeerConnectionLike } from './environment.js'
import { Path, type PathState } from './path.js'
import type { Candidate, Description } from './protocol.js'
import { userFragmentOf, userFragments } from './sdp.js'

/** Candidates kept for a description that has not come yet. */
const EARLY_CANDIDATES_MOST = 256

/** How long the less promising candidates wait, ms: until the checks of the others are on their way. */
const LESS_PROMISING_AFTER = 50

/** When paths that are not over relays are looked for, ms after the call was accepted: not while that holds the picture up. */
const LOOK_FURTHER_AFTER = 400

/**
 * How long a camera with more than 480 lines is sent at half its size once there is a path, ms. Nothing is known of the
 * path then, so browsers begin with few bits, and half the size costs a quarter of the work while a call begins.
 */
const SMALL_FOR = 1500

export interface PeerEvents {
  /** For the other side. */
  description(description: Description): void
  /** For the other side; null at the end of a generation of candidates. */
  candidate(candidate: Candidate | null): void
  path(path: PathState): void
  /** The media sections stand: tracks can be attached and taken. */
  media(): void
  /** The channels exist (they open later). */
  channels(control: RTCDataChannel, bulk: RTCDataChannel): void
  /** Descriptions in force have changed. */
  described(): void
  /** This peer connection cannot go on: the owner makes another of the next generation. */
  dead(): void
}

/** The tracks we send; null sends nothing. */
export interface Outgoing {
  readonly microphone: MediaStreamTrack | null
  readonly camera: MediaStreamTrack | null
  readonly screen: MediaStreamTrack | null
}

export class Peer {
  polite: boolean
  /** Remote messages that made no sense: dropped. */
  dropped = 0
  private pc: PeerConnectionLike
  private work: Promise<unknown> = Promise.resolve()
  private tuning: Promise<void> = Promise.resolve()
  private early: Candidate[] = []
  private opened = false
  /** Whether the first offer is ours. */
  private offering = false
  /** While it rings, and a moment longer. */
  private relaysOnly: boolean
  private small: 'yes' | 'still' | 'no' = 'yes'
  private closed = false
  private readonly way: Path
  private outgoing: Outgoing = { microphone: null, camera: null, screen: null }

  constructor(
    polite: boolean,
    private configuration: RTCConfiguration,
    private readonly create: (configuration: RTCConfiguration) => PeerConnectionLike,
    private readonly clock: Clock,
    /** Names microphone and camera as one stream, so that the other side plays lips and voice together. */
    private readonly stream: MediaStream,
    private readonly events: PeerEvents,
    /** It rings, until `expect`: a path leads over relays alone, which tell nobody where we are, and nothing is sent on it. */
    private ringing = false,
  ) {
    this.polite = polite
    this.relaysOnly = ringing
    this.way = new Path(clock, { path: (path) => this.onPath(path), restart: () => this.restart(), dead: () => events.dead() }, ringing)
    this.pc = this.fresh()
  }

  get path(): PathState { return this.way.state }

  /** Makes the first offer. */
  open(): void {
    if (this.opened || this.closed) return
    this.opened = this.offering = true
    this.pc.addTransceiver('audio', { direction: 'sendrecv', streams: [this.stream] })
    this.pc.addTransceiver('video', { direction: 'sendrecv', streams: [this.stream] })
    this.pc.addTransceiver('video', { direction: 'sendrecv' })
    this.openChannels()
    this.attach(this.outgoing)
    this.events.media()
  }

  /** A description from the other side. */
  describe(description: Description): void {
    this.enqueue(() => this.take(description))
  }

  /** Candidates from the other side. */
  candidates(candidates: readonly Candidate[]): void {
    this.enqueue(async () => {
      this.early = [...this.early, ...candidates.filter(({ candidate }) => candidate !== '')].slice(-EARLY_CANDIDATES_MOST)
      await this.addEarly()
    })
  }

  /** The call was accepted: we send on the path that is there or will be found, and a direct one is looked for. */
  expect(): void {
    if (this.closed) return
    if (this.ringing) {
      this.ringing = false
      this.attach(this.outgoing)
      this.lookFurther()
    }
    this.way.expect(this.pc)
  }

  /** Sends these tracks from now on. */
  attach(outgoing: Outgoing): void {
    this.outgoing = outgoing
    const [microphone, camera, screen] = this.sections()
    const replace = async (transceiver: RTCRtpTransceiver | undefined, wanted: MediaStreamTrack | null) => {
      const track = this.ringing ? null : wanted
      if (transceiver === undefined || transceiver.sender.track === track) return
      await transceiver.sender.replaceTrack(track).catch(() => this.dropped++)
    }
    void Promise.all([replace(microphone, outgoing.microphone), replace(camera, outgoing.camera), replace(screen, outgoing.screen)])
      .then(() => this.retune())
  }

  /** The tracks of the other side, once the sections stand: microphone, camera, screen. */
  incoming(): readonly MediaStreamTrack[] {
    return this.sections().map((transceiver) => transceiver.receiver.track)
  }

  /** The descriptions in force, null before both are. */
  descriptions(): { readonly local: string; readonly remote: string } | null {
    const local = this.pc.currentLocalDescription
    const remote = this.pc.currentRemoteDescription
    return local && remote ? { local: local.sdp, remote: remote.sdp } : null
  }

  /** The offer that was made and not answered, with the candidates so far; null if there is none. */
  pendingOffer(): Description | null {
    const local = this.pc.localDescription
    return this.pc.signalingState === 'have-local-offer' && local ? { type: 'offer', sdp: local.sdp } : null
  }

  stats(): Promise<RTCStatsReport> { return this.pc.getStats() }

  /** The largest message a data channel takes, bytes. */
  maxMessageSize(): number {
    const size = this.pc.sctp?.maxMessageSize ?? 65_536
    return size > 0 ? size : 65_536
  }

  /** New credentials: used from the next gathering on. */
  configure(configuration: RTCConfiguration): void {
    this.configuration = configuration
    if (!this.closed) this.pc.setConfiguration(this.permitted())
  }

  /** Finds a path anew; the media go on over the old one while it lasts. */
  restart(): void {
    if (this.closed || this.pc.currentRemoteDescription === null) return
    this.pc.restartIce()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.way.close()
    this.silence(this.pc)
    this.pc.close()
  }

  private enqueue(step: () => Promise<void>): void {
    this.work = this.work.then(async () => {
      if (!this.closed) await step()
    }).catch(() => {
      // The other side sent what this browser refuses: there is nothing to do but to count it.
      this.dropped++
    })
  }

  private fresh(): PeerConnectionLike {
    const pc = this.create(this.permitted())
    pc.onnegotiationneeded = () => this.enqueue(async () => {
      if (pc !== this.pc || pc.signalingState !== 'stable') return
      await pc.setLocalDescription()
      this.announce()
    })
    pc.onicecandidate = ({ candidate }) => {
      // Firefox marks the end of each section by an empty candidate before the null that ends all.
      if (candidate === null) this.events.candidate(null)
      else if (candidate.candidate !== '') this.events.candidate(plain(candidate))
    }
    pc.oniceconnectionstatechange = () => this.follow()
    pc.onconnectionstatechange = () => this.follow()
    return pc
  }

  /** The configuration as far as it holds now. */
  private permitted(): RTCConfiguration {
    return this.relaysOnly ? { ...this.configuration, iceTransportPolicy: 'relay' } : this.configuration
  }

  /** Has paths of all kinds tried: at once if there is none. */
  private lookFurther(): void {
    const { pc } = this
    const further = () => {
      if (pc !== this.pc || this.closed || !this.relaysOnly) return
      this.widen()
      if (this.offering && this.configuration.iceTransportPolicy !== 'relay') pc.restartIce()
    }
    if (pc.connectionState === 'connected') this.clock.after(LOOK_FURTHER_AFTER, further)
    else further()
  }

  /** From the next gathering on all candidates are found that the configuration allows. */
  private widen(): void {
    this.relaysOnly = false
    this.pc.setConfiguration(this.configuration)
  }

  private silence(pc: PeerConnectionLike): void {
    pc.onnegotiationneeded = pc.onicecandidate = pc.oniceconnectionstatechange = pc.onconnectionstatechange = null
  }

  private replace(): void {
    this.silence(this.pc)
    this.pc.close()
    this.opened = false
    this.pc = this.fresh()
  }

  private async take(description: Description): Promise<void> {
    if (description.type === 'answer' && this.pc.signalingState !== 'have-local-offer') {
      this.dropped++
      return
    }
    if (description.type === 'offer' && this.pc.signalingState !== 'stable') {
      if (!this.polite) return
      if (this.pc.currentRemoteDescription === null) this.replace()
    }
    // The other side looks further already.
    if (this.relaysOnly && !this.ringing) this.widen()
    await this.pc.setRemoteDescription(description)
    if (description.type === 'offer') {
      this.adopt()
      await this.pc.setLocalDescription()
      this.announce()
    }
    await this.addEarly()
    this.events.described()
    this.retune()
  }

  /** Takes the sections of the other side's first offer for our own use. */
  private adopt(): void {
    if (this.opened) return
    this.opened = true
    const sections = this.sections()
    for (const transceiver of sections) transceiver.direction = 'sendrecv'
    for (const transceiver of sections.slice(0, 2)) transceiver.sender.setStreams(this.stream)
    this.openChannels()
    this.attach(this.outgoing)
    this.events.media()
  }

  private openChannels(): void {
    // Negotiated by number, so that both exist on both sides from the start and no label needs to be trusted.
    const control = this.pc.createDataChannel('control', { negotiated: true, id: 0 })
    const bulk = this.pc.createDataChannel('bulk', { negotiated: true, id: 1 })
    bulk.binaryType = 'arraybuffer'
    this.events.channels(control, bulk)
  }

  private sections(): RTCRtpTransceiver[] {
    return this.opened ? this.pc.getTransceivers().slice(0, 3) : []
  }

  private announce(): void {
    const local = this.pc.localDescription
    if (local) this.events.description({ type: local.type, sdp: local.sdp })
  }

  private async addEarly(): Promise<void> {
    const remote = this.pc.remoteDescription
    if (remote === null) return
    const known = userFragments(remote.sdp)
    const belongs = (candidate: Candidate) => {
      const fragment = userFragmentOf(candidate)
      return fragment === null || known.has(fragment)
    }
    const { now, later } = promising(this.early.filter(belongs), this.pc.localDescription?.sdp ?? '')
    this.early = this.early.filter((candidate) => !belongs(candidate))
    const { pc } = this
    const add = async (candidates: readonly Candidate[]) => {
      if (pc === this.pc) await Promise.all(candidates.map((candidate) => pc.addIceCandidate(candidate).catch(() => this.dropped++)))
    }
    if (later.length > 0) this.clock.after(LESS_PROMISING_AFTER, () => this.enqueue(() => add(later)))
    await add(now)
  }

  /** Not in `work`: a candidate need not wait for it. */
  private retune(): void {
    this.tuning = this.tuning.then(() => (this.closed ? undefined : this.tune()))
  }

  /** Rates and what to give up first when there is not enough: of a face smoothness and sharpness, of a screen motion. */
  private async tune(): Promise<void> {
    // Before there is an answer Firefox has no encodings to set.
    if (this.pc.currentRemoteDescription === null) return
    const [microphone, camera, screen] = this.sections()
    const { outgoing } = this
    const large = (outgoing.camera?.getSettings().height ?? 0) > 480
    await Promise.all([
      tune(microphone, outgoing.microphone, 64_000),
      tune(camera, outgoing.camera, 2_500_000, 'balanced', large && this.small !== 'no' ? 2 : 1),
      tune(screen, outgoing.screen, 4_000_000, 'maintain-resolution'),
    ])
  }

  private onPath(path: PathState): void {
    if (path === 'connected' && this.small === 'yes') {
      this.small = 'still'
      this.clock.after(SMALL_FOR, () => { this.small = 'no'; this.retune() })
    }
    this.events.path(path)
  }

  private follow(): void {
    if (!this.closed) this.way.follow(this.pc)
  }
}

function plain(candidate: RTCIceCandidate): Candidate {
  return {
    candidate: candidate.candidate,
    sdpMid: candidate.sdpMid,
    sdpMLineIndex: candidate.sdpMLineIndex,
    usernameFragment: candidate.usernameFragment,
  }
}

/** RTCDegradationPreference, which the DOM types leave out of RTCRtpSendParameters. */
type Degradation = 'balanced' | 'maintain-resolution'

/** `track` is what is sent, or will be once the call is accepted. */
async function tune(transceiver: RTCRtpTransceiver | undefined, track: MediaStreamTrack | null, maxBitrate: number, degradationPreference?: Degradation, scaleResolutionDownBy?: number): Promise<void> {
  const sender = transceiver?.sender
  const parameters = sender?.getParameters()
  const [encoding] = parameters?.encodings ?? []
  if (sender === undefined || parameters === undefined || encoding === undefined) return
  // Without a track nothing is to be sent; Firefox would send one black frame a second.
  const active = track !== null
  const scaled = scaleResolutionDownBy === undefined || encoding.scaleResolutionDownBy === scaleResolutionDownBy
  if (encoding.maxBitrate === maxBitrate && encoding.active === active && scaled) return
  Object.assign(encoding, { maxBitrate, active }, scaleResolutionDownBy === undefined ? {} : { scaleResolutionDownBy })
  // A browser that knows no such limit says so; the call goes on without.
  await sender.setParameters(degradationPreference ? Object.assign(parameters, { degradationPreference }) : parameters).catch(() => {})
}
