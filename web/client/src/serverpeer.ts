/**
 * The peer connection between a member of a room and the server, which forwards.
 *
 * We always offer and the server always answers, so no two offers ever cross. The sections are told by their direction
 * and kind, in this order:
 *
 *     sendonly  audio   microphone
 *     sendonly  video   camera, in three sizes (simulcast, RFC 8853): rids `l`, `m`, `h`
 *     sendonly  video   screen
 *     recvonly  audio   voice slots
 *     recvonly  video   picture slots
 *     data              channel 1, `room`
 *
 * What a slot carries changes without any negotiation: the server forwards another source into the same section. More
 * picture slots are more sections in the next offer. Turning the camera on or off is `replaceTrack`, as between two.
 *
 * The server is an ICE-lite agent (RFC 8445 §2.5): its candidates stand in its answers, and it learns ours from our
 * checks, so candidates are not sent.
 */
import type { Codec } from './e2ee/payload.js'
import type { Leading } from './e2ee/frames.js'
import type { FrameLine } from './e2ee/line.js'
import type { Environment, PeerConnectionLike } from './environment.js'
import { Path, type PathState } from './path.js'
import type { Outgoing } from './peer.js'
import type { Description } from './protocol.js'
import { concise } from './sdp.js'

/** Voices received at the same time. */
export const VOICE_SLOTS = 8
/** How many picture slots there can be, step by step. */
const PICTURE_SLOTS = [9, 16, 25, 36, 49] as const
export const PICTURE_SLOTS_MOST = 49

const RIDS = ['l', 'm', 'h'] as const
/**
 * The sizes in which a camera's picture is sent, smallest first. Of a small picture Chromium sends the first two sizes
 * or only the first, whatever it is told about the others (its limit is the area of 960 by 540, and of 480 by 270): then
 * these have to be the large ones.
 */
const SIZES: readonly { readonly area: number; readonly encodings: readonly Size[] }[] = [
  { area: 960 * 540, encodings: [size(4, 150_000), size(2, 500_000), size(1, 2_000_000)] },
  { area: 480 * 270, encodings: [size(2, 200_000), size(1, 900_000)] },
  { area: 0, encodings: [size(1, 250_000)] },
]
/**
 * What everybody can send and receive: the server decodes nothing, so what one sends all must understand. Naming no more
 * also keeps the offer small.
 */
const CODECS = { audio: ['audio/opus'], video: ['video/vp8', 'video/rtx'] } as const
/** What is received besides: encoders that come by HTTP usually send it. One form of it, for decoders take all. */
const H264 = { mimeType: 'video/h264', format: /packetization-mode=1.*profile-level-id=42e01f|profile-level-id=42e01f.*packetization-mode=1/i }
/** The codec of a frame that does not tell its own. */
const USUAL: Readonly<Record<'audio' | 'video', Codec>> = { audio: 'opus', video: 'vp8' }
const SCREEN_BITRATE = 2_500_000
/**
 * Of everything the server can leave out every other picture, or three of four, for whoever has a narrow path (W3C
 * webrtc-svc). A browser that does not know this makes what it makes.
 */
const LAYERS = { scalabilityMode: 'L1T3' } as const
const VOICE_BITRATE = 48_000

export interface ServerPeerEvents {
  /** An offer for the server. */
  offer(description: Description): void
  path(path: PathState): void
  /** The channel exists (it opens later). */
  channel(channel: RTCDataChannel): void
  /** There are more slots, or their tracks can be had now. */
  slots(): void
  /** This peer connection cannot go on. */
  dead(): void
}

export class ServerPeer {
  /** Answers that made no sense: dropped. */
  dropped = 0
  /** Picture slots in the offers so far. */
  offered = 0
  private readonly pc: PeerConnectionLike
  private readonly way: Path
  private readonly microphone: RTCRtpTransceiver
  private readonly camera: RTCRtpTransceiver
  private readonly screen: RTCRtpTransceiver
  private readonly voiceSlots: readonly RTCRtpTransceiver[]
  private pictureSlots: readonly RTCRtpTransceiver[] = []
  private work: Promise<unknown> = Promise.resolve()
  private closed = false
  private wanted: readonly string[] = RIDS
  /** Asked for once: two dozen sections are made at a time, while pictures have to go on. */
  private readonly codecs: Readonly<Record<'audio' | 'video', readonly RTCRtpCodec[]>>

  constructor(
    configuration: RTCConfiguration,
    environment: Pick<Environment, 'clock' | 'codecs' | 'frameConfiguration' | 'peerConnection'>,
    private readonly events: ServerPeerEvents,
    /** The camera there is now, if there is one: the first offer tells its sizes. */
    camera: MediaStreamTrack | null,
    /** Through which all frames are led, where the room is end-to-end encrypted. */
    private readonly line: FrameLine | null = null,
  ) {
    this.way = new Path(environment.clock, { path: (path) => events.path(path), restart: () => this.restart(), dead: () => events.dead() })
    this.codecs = { audio: environment.codecs('audio'), video: environment.codecs('video') }
    const pc = this.pc = environment.peerConnection(line === null ? configuration : { ...configuration, ...environment.frameConfiguration })
    pc.onnegotiationneeded = () => this.negotiate()
    pc.oniceconnectionstatechange = pc.onconnectionstatechange = () => { if (!this.closed) this.way.follow(pc) }
    this.microphone = this.section('audio', { direction: 'sendonly' }, { side: 'send', source: 'microphone' })
    this.camera = this.section('video', { direction: 'sendonly', sendEncodings: RIDS.map((rid) => ({ rid, ...LAYERS, ...encodingOf(camera, rid) })) }, { side: 'send', source: 'camera' })
    this.screen = this.section('video', { direction: 'sendonly', sendEncodings: [{ ...LAYERS, maxBitrate: SCREEN_BITRATE }] }, { side: 'send', source: 'screen' })
    this.voiceSlots = Array.from({ length: VOICE_SLOTS }, () => this.section('audio', { direction: 'recvonly' }, { side: 'receive', slot: null }))
    this.grow(PICTURE_SLOTS[0])
    const channel = pc.createDataChannel('room', { negotiated: true, id: 1 })
    channel.binaryType = 'arraybuffer'
    events.channel(channel)
  }

  get path(): PathState { return this.way.state }

  /** The tracks of the voice slots, in their order. */
  voices(): readonly MediaStreamTrack[] { return this.voiceSlots.map(({ receiver }) => receiver.track) }

  /** The tracks of the picture slots, in their order. */
  pictures(): readonly MediaStreamTrack[] { return this.pictureSlots.map(({ receiver }) => receiver.track) }

  /** The `mid` of a picture slot, by which statistics know it; null before it is negotiated. */
  mid(slot: number): string | null { return this.pictureSlots[slot]?.mid ?? null }

  /** Sends these tracks from now on. A microphone that is muted sends nothing at all. */
  attach(outgoing: Outgoing): void {
    const voice = outgoing.microphone?.enabled ? outgoing.microphone : null
    const replace = async ({ sender }: RTCRtpTransceiver, track: MediaStreamTrack | null) => {
      if (sender.track !== track) await sender.replaceTrack(track).catch(() => this.dropped++)
    }
    const replaced = Promise.all([replace(this.microphone, voice), replace(this.camera, outgoing.camera), replace(this.screen, outgoing.screen)])
    this.enqueue(async () => {
      await replaced
      await this.tune()
    })
  }

  /** Somebody wants these encodings of the camera; the others are not even made. */
  want(rids: readonly string[]): void {
    this.wanted = rids
    this.enqueue(() => this.tune())
  }

  /** Makes room for so many pictures. */
  grow(pictures: number): void {
    const slots = PICTURE_SLOTS.find((step) => step >= pictures) ?? PICTURE_SLOTS_MOST
    if (this.closed || slots <= this.pictureSlots.length) return
    const more = Array.from({ length: slots - this.pictureSlots.length }, (_, more) => this.section('video', { direction: 'recvonly' }, { side: 'receive', slot: this.pictureSlots.length + more }))
    this.pictureSlots = [...this.pictureSlots, ...more]
  }

  /** The server's answer. */
  describe(description: Description): void {
    this.enqueue(async () => {
      if (description.type !== 'answer' || this.pc.signalingState !== 'have-local-offer') {
        this.dropped++
        return
      }
      await this.pc.setRemoteDescription(description)
      await this.tune()
      this.events.slots()
    })
  }

  stats(): Promise<RTCStatsReport> { return this.pc.getStats() }

  /** New credentials: used from the next gathering on. */
  configure(configuration: RTCConfiguration): void {
    if (!this.closed) this.pc.setConfiguration(configuration)
  }

  restart(): void {
    if (!this.closed && this.pc.currentRemoteDescription !== null) this.pc.restartIce()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.way.close()
    this.pc.onnegotiationneeded = this.pc.oniceconnectionstatechange = this.pc.onconnectionstatechange = null
    this.pc.close()
  }

  private section(kind: 'audio' | 'video', init: RTCRtpTransceiverInit, leading: Led): RTCRtpTransceiver {
    const transceiver = this.pc.addTransceiver(kind, init)
    this.line?.lead(leading.side === 'send' ? transceiver.sender : transceiver.receiver, { ...leading, codec: USUAL[kind] })
    const wanted: readonly string[] = CODECS[kind]
    const also = ({ mimeType, sdpFmtpLine }: RTCRtpCodec): boolean => leading.side === 'receive' && mimeType.toLowerCase() === H264.mimeType && H264.format.test(sdpFmtpLine ?? '')
    const codecs = this.codecs[kind].filter((codec) => wanted.includes(codec.mimeType.toLowerCase()) || also(codec))
    // A browser that would not be told offers all that it has.
    if (codecs.length > 0 && 'setCodecPreferences' in transceiver) transceiver.setCodecPreferences(codecs)
    return transceiver
  }

  private negotiate(): void {
    this.enqueue(async () => {
      if (this.pc.signalingState !== 'stable') return
      await this.pc.setLocalDescription()
      const local = this.pc.localDescription
      if (!local) return
      this.offered = this.pictureSlots.length
      this.events.offer({ type: local.type, sdp: concise(local.sdp) })
      this.events.slots()
    })
  }

  /** Everything that touches descriptions and parameters runs one after the other. */
  private enqueue(step: () => Promise<void>): void {
    this.work = this.work.then(async () => {
      if (!this.closed) await step()
    }).catch(() => {
      // The server answered what this browser refuses: there is nothing to do but to count it.
      this.dropped++
    })
  }

  /** Sends what is wanted and there, and nothing else: not even the black frame that Firefox sends for no track. */
  private async tune(): Promise<void> {
    // Before there is an answer Firefox has no encodings to set.
    if (this.pc.currentRemoteDescription === null) return
    const rids: readonly string[] = this.wanted
    await setEncodings(this.microphone, ({ track }) => ({ active: track !== null, maxBitrate: VOICE_BITRATE }))
    await setEncodings(this.camera, ({ track, rid }) => {
      const encoding = encodingOf(track, rid)
      return { ...encoding, active: encoding.active && track !== null && (rid === undefined || isWanted(track, rid, rids)) }
    }, 'balanced')
    await setEncodings(this.screen, ({ track }) => ({ active: track !== null }), 'maintain-resolution')
  }
}

/** What a section carries, without its codec. */
type Led = { [Side in Leading['side']]: Omit<Extract<Leading, { side: Side }>, 'codec'> }[Leading['side']]

interface Size { readonly scaleResolutionDownBy: number; readonly maxBitrate: number }

function size(scaleResolutionDownBy: number, maxBitrate: number): Size {
  return { scaleResolutionDownBy, maxBitrate }
}

/** What the encoding of that name is of a camera. A browser that takes no simulcast has one without a name. */
function encodingOf(camera: MediaStreamTrack | null, rid: string | undefined): Size & { readonly active: boolean } {
  const { width = 1280, height = 720 } = camera?.getSettings() ?? {}
  const sizes = SIZES.find(({ area }) => width * height >= area)?.encodings ?? []
  const found = sizes[rid === undefined ? sizes.length - 1 : RIDS.indexOf(rid as (typeof RIDS)[number])]
  return found ? { ...found, active: true } : { ...size(1, 100_000), active: false }
}

/** Whether somebody wants that size, or a larger one that there is not. */
function isWanted(camera: MediaStreamTrack, rid: string, wanted: readonly string[]): boolean {
  const made = RIDS.filter((it) => encodingOf(camera, it).active)
  return wanted.includes(rid) || (rid === made.at(-1) && wanted.some((it) => !made.some((other) => other === it)))
}

type Change = Partial<Pick<RTCRtpEncodingParameters, 'active' | 'maxBitrate' | 'scaleResolutionDownBy'>>

async function setEncodings(
  { sender }: RTCRtpTransceiver,
  change: (of: { readonly track: MediaStreamTrack | null; readonly rid: string | undefined }) => Change,
  degradationPreference?: 'balanced' | 'maintain-resolution',
): Promise<void> {
  const parameters = sender.getParameters()
  const changes = parameters.encodings.map(({ rid }) => change({ track: sender.track, rid }))
  const same = parameters.encodings.every((encoding, index) => Object.entries(changes[index] ?? {}).every(([key, value]) => encoding[key as keyof Change] === value))
  if (same) return
  parameters.encodings.forEach((encoding, index) => Object.assign(encoding, changes[index]))
  // A browser that knows no such limit says so; the call goes on without.
  await sender.setParameters(degradationPreference ? Object.assign(parameters, { degradationPreference }) : parameters).catch(() => {})
}
