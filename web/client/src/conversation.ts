/**
 * The two in a call, as long as the call lasts: one peer connection after the other, and what is said over them.
 *
 * Peer connections of a call are numbered by `generation`, from 1; every description carries the number of the one it
 * belongs to. When a page is loaded anew, or a peer connection is beyond repair, that side makes one of the next
 * generation and offers. Whoever sees a higher number than its own makes a fresh peer connection of that number and
 * answers from it; what carries a lower number comes from the past and is dropped. Numbers only rise and messages
 * arrive in order, so both sides end at the same. PEER.md tells it with the messages.
 */
import { Chat } from './chat.js'
import { fill } from './conference.js'
import { parse, type Control, type Sending } from './control.js'
import { DirectProof } from './e2ee/direct.js'
import type { Environment } from './environment.js'
import { Files, type FileMessage } from './files.js'
import type { ChatMessage, Ending } from './model.js'
import type { PathState } from './path.js'
import { Peer, type Outgoing, type PeerEvents } from './peer.js'
import type { Candidate, Description } from './protocol.js'
import { quality, snapshot, type Snapshot } from './quality.js'
import type { TalkChange } from './reducer.js'
import { fingerprintPair, safetyCode } from './safety.js'
import { takeGeneration, withGeneration, withoutAddresses } from './sdp.js'
import type { Notice } from './signal.js'
import type { OpenSink } from './sink.js'

/** The version of PEER.md. */
const VERSION = 1
/** Milliseconds in which the first path must be found. */
const CONNECT_TIMEOUT = 45_000
/** Milliseconds for a page that went away to come back, before it counts as hung up. */
const LEAVE_GRACE = 10_000
/** Milliseconds for which a connected path may stand without the other having proved that they have the link's key. */
const PROOF_TIMEOUT = 15_000
/** Milliseconds between two looks at the statistics. */
const LOOK_EVERY = 2_000

/** Messages of one who knows earlier than we do that the call is on. */
const UNHEARD_MOST = 16

/** What may be said before the other has proved that they have the link's key. */
const OPENLY: ReadonlySet<Control['type']> = new Set(['hello', 'sending', 'proof', 'leaving', 'end'])

export interface ConversationHost {
  readonly environment: Environment
  readonly openSink: OpenSink
  /** Names this page: another one after every reload. */
  readonly page: string
  configuration(): RTCConfiguration
  /** Our own stream, which names what belongs together. */
  readonly stream: MediaStream
  /** For the other side; `device` is set while it rings there. */
  description(description: Description, device: number | null): void
  candidate(candidate: Candidate | null, device: number | null): void
  /** While it rings: the two peer connections know each other, and what will be played is there; a path may follow. */
  prepared(): void
  changed(change: TalkChange): void
  /** The call cannot go on, or the other side ended it. */
  over(reason: Ending): void
  /** The name of the other side. */
  friend(): string
  /** The link at which the two met, if it has a key. */
  link(): { readonly room: string; readonly key: string } | null
}

/** What another page of this tab needs to take the call up. */
export interface StoredConversation {
  readonly generation: number
  readonly polite: boolean
  readonly ticket: string
  /** Whether it still rings, and whether descriptions pass meanwhile. */
  readonly ringing: boolean
  readonly early: boolean
}

/** What `started` says. */
export type Start = Pick<Extract<Notice, { type: 'started' }>, 'polite' | 'ticket' | 'description' | 'rejoined' | 'candidates'>

export class Conversation {
  /** One stream for each kind, because an element with a picture that never comes would not play the sound either. */
  readonly remote: MediaStream
  readonly remoteVoice: MediaStream
  readonly remoteScreen: MediaStream
  readonly chat: Chat
  readonly files: Files
  ticket: string
  private generation: number
  private peer: Peer
  private control: RTCDataChannel | null = null
  private bulk: RTCDataChannel | null = null
  private outgoing: Outgoing = { microphone: null, camera: null, screen: null }
  private sending: Sending = { camera: false, microphone: false, screen: false }
  /** Whether the person took the call. */
  accepted = false
  /** Until the call is on, what the peer connection says stays here, or passes without addresses if it is `early`. */
  private held = true
  /** What the other said before we know that the call is on, as they may already. */
  private unheard: unknown[] = []
  /** To the caller, the ringing device at the other end, until the call is on. */
  device: number | null = null
  /** Whether the page before this one may have said what this one does not know: then this one makes the offer. */
  private readonly anew: boolean
  /** The server does not know this call any more: it ends when its path does. */
  private orphaned = false
  private closed = false
  private retired = false
  private everConnected: boolean
  private otherPage: string | null = null
  private otherPresent = true
  /** Whether the other closed the channels, which a path that breaks does not. */
  private otherClosed = false
  /** Whether the other has said hello on the present channel, and whether everything goes on over it. */
  private greeted = false
  private resumed = false
  private pair: string | null = null
  /** What has changed before the call was on; null from then on. The path may stand before we are told that it is. */
  private before: TalkChange | null = {}
  /** Nothing but this is said or sent before it has succeeded; null where the link has no key. */
  private readonly proof: DirectProof | null
  private cancelProof: (() => void) | null = null
  private look: Snapshot | null = null
  private cancelConnect: (() => void) | null = null
  private cancelLeave: (() => void) | null = null
  private cancelLook: (() => void) | null = null

  constructor(
    readonly id: string,
    private readonly host: ConversationHost,
    polite: boolean,
    /** Whether descriptions and relayed candidates pass while it rings. */
    readonly early = false,
    readonly origin: StoredConversation | null = null,
    messages: readonly ChatMessage[] = [],
  ) {
    this.ticket = origin?.ticket ?? ''
    this.generation = origin ? origin.generation + 1 : 1
    this.everConnected = origin !== null && !origin.ringing
    this.anew = origin !== null
    this.remote = host.environment.stream()
    this.remoteVoice = host.environment.stream()
    this.remoteScreen = host.environment.stream()
    const send = (message: Control) => this.say(message)
    this.chat = new Chat(messages, () => host.friend(), send, (said) => this.changed({ messages: said }))
    this.files = new Files({
      clock: host.environment.clock,
      newNumber: () => new DataView(host.environment.random(new Uint8Array(4)).buffer).getUint32(0),
      openSink: host.openSink,
      send,
      changed: (files) => this.changed({ files }),
    })
    const link = host.link()
    this.proof = link && new DirectProof(link.room, link.key, {
      send: (proof) => this.say({ type: 'proof', proof }),
      proven: () => this.proven(),
      failed: () => { if (!this.closed && !this.retired) host.over('not-verified') },
    })
    this.peer = this.newPeer(origin?.polite ?? polite)
  }

  /** The callee, while it rings: the offer and its candidates are ready when the person accepts. */
  offer(): void { this.peer.open() }

  /** The person accepted: the offer with the candidates so far, if it is ready. What comes later goes by itself. */
  accept(): Description | null {
    this.accepted = true
    // What passed early needs not be said again; what is not ready yet will be said by itself.
    const offer = this.early ? null : this.peer.pendingOffer()
    this.held = false
    return offer && this.marked(offer)
  }

  /** The server says that the call is on. */
  start({ polite, ticket, description, rejoined, candidates }: Start): void {
    this.device = null
    this.release()
    this.peer.polite = polite
    this.ticket = ticket
    if (candidates) this.peer.candidates(candidates)
    if (rejoined) return this.rejoined()
    this.cancelConnect ??= this.host.environment.clock.after(CONNECT_TIMEOUT, () => {
      if (!this.everConnected) this.host.over('failed')
    })
    this.watch()
    if (!polite || this.anew) this.peer.open()
    if (description !== null) this.describe(description)
  }

  /** A new page of this tab takes the call up. */
  takeUp(): void {
    this.release()
    this.watch()
    this.peer.open()
  }

  describe(description: Description): void {
    const { sdp: whole, generation } = takeGeneration(description.sdp ?? '')
    const sdp = this.held ? withoutAddresses(whole) : whole
    if (generation < this.generation) return
    if (generation > this.generation) this.renew(generation)
    this.peer.describe({ type: description.type, sdp })
  }

  candidate(candidate: Candidate | null): void {
    if (candidate !== null) this.peer.candidates([candidate])
  }

  /** Sends these tracks, and tells what they are. */
  attach(outgoing: Outgoing): void {
    this.outgoing = outgoing
    if (this.trusted) this.peer.attach(outgoing)
    const { camera, microphone, screen } = outgoing
    this.sending = { camera: camera !== null, microphone: microphone !== null && microphone.enabled, screen: screen !== null }
    this.say({ type: 'sending', sending: this.sending })
  }

  /** New credentials for STUN and TURN. A path over a relay that will not know the old ones for long is found anew. */
  configure(relayed: boolean): void {
    this.peer.configure(this.host.configuration())
    if (relayed) this.peer.restart()
  }

  /** The network is another one now. */
  networkChanged(): void {
    if (this.everConnected) this.peer.restart()
  }

  /** The server says whether it can reach the other. */
  present(present: boolean): void {
    this.otherPresent = present
    if (present) this.stayed()
    else this.checkGone()
  }

  /** The call cannot be taken up through the server; its media may go on. */
  orphan(): void {
    this.orphaned = true
    if (this.peer.path !== 'connected') this.host.over('lost')
  }

  /** Whether what the other sends is seen or heard here: frames of their camera are decoded, if it is on. */
  async flows(camera: boolean): Promise<boolean> {
    if (this.peer.path !== 'connected') return false
    const report = camera ? await this.peer.stats().catch(() => null) : null
    return !camera || (report !== null && snapshot(report, 0).stats.some((stat) => stat.type === 'inbound-rtp' && Number(stat['framesDecoded']) > 0))
  }

  /** The call goes on elsewhere. What is sent is sent on, for the other may still look at it, until `close`. */
  retire(): void {
    this.retired = true
    this.silence()
    this.files.close()
    for (const cancel of [this.cancelConnect, this.cancelLeave, this.cancelLook, this.cancelProof]) cancel?.()
  }

  /** Tells the other side straight that the page goes away. */
  leave(): void { this.say({ type: 'leaving' }) }

  /** What the next page needs; `generation` if others of the same call are further. */
  store(generation = 0): StoredConversation {
    return { generation: Math.max(generation, this.generation), polite: this.peer.polite, ticket: this.ticket, ringing: this.held, early: this.early }
  }

  /** Ends it; with `tell` the other side hears of it straight, in case the server is away. */
  close(tell = false): void {
    if (this.closed) return
    if (tell) this.say({ type: 'end' })
    this.closed = true
    for (const cancel of [this.cancelConnect, this.cancelLeave, this.cancelLook, this.cancelProof]) cancel?.()
    this.files.close()
    this.silence()
    // What was said last leaves the browser before the connection goes.
    const { peer } = this
    if (tell) this.host.environment.clock.after(100, () => peer.close())
    else peer.close()
  }

  private newPeer(polite: boolean): Peer {
    const { environment } = this.host
    const peer = new Peer(polite, this.host.configuration(), environment.peerConnection, environment.clock, this.host.stream, this.peerEvents(), this.held && this.early)
    this.proof?.reset()
    if (this.trusted) peer.attach(this.outgoing)
    return peer
  }

  /** Whether what we send can reach nobody but the other one. */
  private get trusted(): boolean { return this.proof === null || this.proof.proven }

  private proven(): void {
    this.cancelProof?.()
    this.cancelProof = null
    this.peer.attach(this.outgoing)
    this.resume()
  }

  private peerEvents(): PeerEvents {
    return {
      description: (description) => { if (!this.held || this.passes) this.host.description(this.marked(description), this.device) },
      candidate: (candidate) => { if (!this.held || (this.passes && candidate !== null)) this.host.candidate(candidate, this.device) },
      path: (path) => { if (!this.retired) this.followed(path) },
      media: () => this.showTracks(),
      channels: (control, bulk) => this.useChannels(control, bulk),
      described: () => {
        if (this.held) this.host.prepared()
        void this.checkSafety()
      },
      dead: () => {
        if (this.cancelLeave !== null || this.closed || this.retired) return
        this.renew(this.generation + 1)
        this.peer.open()
      },
    }
  }

  /** Whether descriptions pass while it rings: from a device that may send them, and to one that has sent some. */
  private get passes(): boolean { return this.early || this.device !== null }

  /** The call is on: nothing is kept back any more. */
  private release(): void {
    this.held = false
    const { before } = this
    this.before = null
    if (before !== null && Object.keys(before).length > 0) this.host.changed(before)
    this.peer.expect()
    this.greet()
    for (const data of this.unheard.splice(0)) this.heard(parse(data))
  }

  private changed(change: TalkChange): void {
    if (this.before === null) this.host.changed(change)
    else this.before = { ...this.before, ...change }
  }

  /** Another peer connection, of a later generation; tracks, chat and files go on over it. */
  private renew(generation: number): void {
    this.generation = generation
    this.silence()
    this.peer.close()
    this.look = null
    if (this.everConnected) this.changed({ path: 'reconnecting' })
    this.peer = this.newPeer(this.peer.polite)
  }

  private rejoined(): void {
    const offer = this.peer.pendingOffer()
    if (offer !== null) this.host.description(this.marked(offer), null)
    else if (this.peer.path !== 'connected' && !this.peer.polite) this.peer.restart()
  }

  private marked({ type, sdp }: Description): Description {
    const said = this.held ? withoutAddresses(sdp ?? '') : sdp ?? ''
    return { type, sdp: withGeneration(said, this.generation) }
  }

  private followed(path: PathState): void {
    if (path === 'connected') {
      if (!this.trusted) this.cancelProof ??= this.host.environment.clock.after(PROOF_TIMEOUT, () => { if (!this.trusted && !this.retired) this.host.over('not-verified') })
      this.everConnected = true
      this.cancelConnect?.()
      this.stayed()
      this.cancelLook?.()
      void this.lookAgain()
    }
    this.changed({ path })
    if (this.orphaned && path === 'reconnecting') this.host.over('lost')
  }

  private showTracks(): void {
    const [microphone, camera, screen] = this.peer.incoming()
    fill(this.remoteVoice, microphone)
    fill(this.remote, camera)
    fill(this.remoteScreen, screen)
  }

  private useChannels(control: RTCDataChannel, bulk: RTCDataChannel): void {
    this.silence()
    this.control = control
    this.bulk = bulk
    this.greeted = this.resumed = this.otherClosed = false
    control.onopen = () => this.greet()
    control.onmessage = ({ data }) => {
      if (!this.held) this.heard(parse(data))
      else if (this.unheard.length < UNHEARD_MOST) this.unheard.push(data)
    }
    bulk.onopen = () => this.resume()
    bulk.onmessage = ({ data }) => this.files.bytes(data)
    control.onclose = bulk.onclose = () => {
      this.files.pause()
      this.otherClosed = true
      this.checkGone()
    }
  }

  /** The first thing on a channel, once it is open and the call is on. */
  private greet(): void {
    if (this.held || this.control?.readyState !== 'open') return
    this.say({ type: 'hello', version: VERSION, page: this.host.page, sending: this.sending })
    this.proof?.opened()
  }

  private silence(): void {
    for (const channel of [this.control, this.bulk]) if (channel) channel.onopen = channel.onmessage = channel.onclose = null
    this.control = this.bulk = null
    this.unheard = []
    this.files.pause()
  }

  /** Sent if there is a channel; what must not be lost is said again on the next one (`resume`). */
  private say(message: Control): void {
    if (this.held || this.control?.readyState !== 'open' || (!this.trusted && !OPENLY.has(message.type))) return
    this.control.send(JSON.stringify(message))
  }

  private heard(message: Control | null): void {
    if (message === null || (!this.trusted && !OPENLY.has(message.type))) {
      this.files.dropped++
      return
    }
    switch (message.type) {
      case 'hello':
        if (this.otherPage !== null && this.otherPage !== message.page) this.files.otherPage()
        this.otherPage = message.page
        this.greeted = true
        this.changed({ remote: message.sending })
        this.stayed()
        return this.resume()
      case 'sending': return this.changed({ remote: message.sending })
      case 'proof': return void this.proof?.take(message.proof)
      case 'chat':
      case 'chat-received':
        return this.chat.take(message)
      case 'leaving': return this.left()
      case 'end': return this.host.over('hung-up')
      default: return this.files.control(message satisfies FileMessage)
    }
  }

  /** Both channels are open and the other has said hello: what a break interrupted goes on. */
  private resume(): void {
    if (this.resumed || !this.greeted || !this.trusted || this.bulk?.readyState !== 'open' || this.control?.readyState !== 'open') return
    this.resumed = true
    this.chat.resume()
    this.files.resume(this.bulk)
  }

  /** A page that closed its end and its socket went away, even if its `leaving` did not come through. */
  private checkGone(): void {
    if (this.otherClosed && !this.otherPresent) this.left()
  }

  private left(): void {
    this.changed({ path: 'reconnecting' })
    this.cancelLeave ??= this.host.environment.clock.after(LEAVE_GRACE, () => this.host.over('hung-up'))
  }

  private stayed(): void {
    this.cancelLeave?.()
    this.cancelLeave = null
  }

  private async checkSafety(): Promise<void> {
    const both = this.peer.descriptions()
    if (both) this.proof?.described(both.local, both.remote)
    const pair = both && fingerprintPair(both.local, both.remote)
    if (pair === this.pair) return
    this.pair = pair
    this.changed({ safetyCode: null })
    if (pair === null) return
    const code = await safetyCode(pair)
    if (this.pair === pair && !this.closed) this.changed({ safetyCode: code })
  }

  private watch(): void {
    this.cancelLook ??= this.host.environment.clock.after(LOOK_EVERY, () => void this.lookAgain())
  }

  private async lookAgain(): Promise<void> {
    const { peer } = this
    const report = await peer.stats().catch(() => null)
    if (this.closed || this.retired) return
    if (report !== null && peer === this.peer) {
      const now = snapshot(report, this.host.environment.clock.now())
      if (peer.path === 'connected') this.changed({ quality: quality(this.look, now) })
      this.look = now
    }
    this.cancelLook = null
    this.watch()
  }
}
