/**
 * A member's part in a room: one peer connection with the server after another, what is shown in its slots, and what is
 * written. Every `conference` message begins a new peer connection, because the server has none for us then: we have
 * just come in, our page is a new one, or the server is.
 */
import { assign, sameLayout, sameView } from './arrange.js'
import { base64url, fromBase64url, utf8 } from './e2ee/bytes.js'
import { Exchange, type Encryption } from './e2ee/exchange.js'
import type { Report } from './e2ee/frames.js'
import type { FrameLine } from './e2ee/line.js'
import { isText } from './control.js'
import type { Environment } from './environment.js'
import type { ChatMessage, Quality, RoomCall, TellsQuality, Tile } from './model.js'
import { tileKey } from './model.js'
import type { Outgoing } from './peer.js'
import type { Description, Sending, View, Want } from './protocol.js'
import { isUploadLimited, quality, snapshot, type Snapshot } from './quality.js'
import type { TalkChange } from './reducer.js'
import { self } from './room.js'
import { parseBody, RoomChannel } from './roomchannel.js'
import { RoomChat } from './roomchat.js'
import { RoomFiles } from './roomfiles.js'
import { RoomHistory } from './roomhistory.js'
import { ServerPeer } from './serverpeer.js'
import type { Request } from './signal.js'
import type { OpenSink } from './sink.js'

/** Milliseconds between two layouts told to the server. */
const LAYOUT_EVERY = 150
/** Milliseconds between two looks at the statistics. */
const LOOK_EVERY = 2_000
/** Looks after which a weak path out is said to be one. */
const LIMITED_LOOKS = 5
/** Milliseconds in which a path to the server must be found. */
const CONNECT_TIMEOUT = 45_000

const NOTHING: Outgoing = { microphone: null, camera: null, screen: null }

export interface ConferenceHost {
  readonly environment: Environment
  configuration(): RTCConfiguration
  /** For the server. */
  send(request: Request): void
  changed(change: TalkChange): void
  /** The room as it is now. */
  room(): RoomCall | null
  /** Where received files go. */
  readonly openSink: OpenSink
  /** Turns our devices off: we have become a listener. */
  silence(): void
  newId(): string
  /** A member shows a feeling. */
  expressed(member: number, reaction: string): void
  /** We cannot be in the room any more: no path to the server can be found, or it does not know us. */
  failed(): void
}

/** What another page of this tab needs to take the room up. */
export interface StoredConference { readonly ticket: string }

/** Milliseconds after which we say again how good our path is, for those who have come since. */
const TELL_QUALITY_EVERY = 10_000
/** The longest feeling, in UTF-16 units. */
const REACTION_MOST = 32

export class Conference {
  readonly chat: RoomChat
  readonly files: RoomFiles
  /** Where the room is end-to-end encrypted. */
  private readonly exchange: Exchange | null
  private readonly line: FrameLine | null
  private readonly channel: RoomChannel
  private readonly history: RoomHistory
  /** What each picture slot carries, by the keys that open it; in an encrypted room nothing else is shown. */
  private readonly carried: View[] = []
  /** One for each voice slot; the same objects as long as we are in the room. */
  readonly voices: MediaStream[] = []
  /** Changes whenever what is shown does. */
  pictures: ReadonlyMap<string, MediaStream> = new Map()
  private slots: MediaStream[] = []
  private peer: ServerPeer | null = null
  /** What we would send if we may, and what we send. */
  private offering: Outgoing = NOTHING
  private outgoing: Outgoing = NOTHING
  private sending: Sending | null = null
  private tiles: readonly Tile[] = []
  private told: readonly (Want | null)[] = []
  private cancelLayout: (() => void) | null = null
  private layoutDue = false
  private look: Snapshot | null = null
  private cancelLook: (() => void) | null = null
  private cancelConnect: (() => void) | null = null
  /** For how many looks in a row our picture was smaller than it could be. */
  private limited = 0
  private everConnected = false
  private toldQuality: { readonly verdict: Quality['verdict']; readonly at: number } = { verdict: 'unknown', at: 0 }
  private closed = false

  /** The conference of the main room, by which we come back. */
  readonly main: string

  constructor(readonly id: string, private readonly host: ConferenceHost, public ticket: string, messages: readonly ChatMessage[] = []) {
    this.main = host.room()?.main ?? id
    this.chat = new RoomChat({
      now: () => host.environment.clock.now(),
      newId: () => host.newId(),
      name: (member) => host.room()?.members.find(({ number }) => number === member)?.person.name ?? '',
      changed: (said) => host.changed({ messages: said }),
      open: () => this.channel.open,
      send: (message) => this.channel.send(message),
    })
    this.chat.messages = messages
    const key = host.room()?.key ?? null
    this.line = key === null ? null : host.environment.frameLine?.() ?? null
    this.exchange = key === null ? null : this.encrypt(key, this.line)
    this.channel = new RoomChannel(this.exchange, {
      opened: () => {
        this.chat.resume()
        this.history.look()
        this.files.look()
      },
      heard: (member, message) => this.heard(member, message),
    })
    this.history = this.remember()
    this.files = this.exchangeFiles()
  }

  private exchangeFiles(): RoomFiles {
    const { host } = this
    return new RoomFiles({
      environment: host.environment,
      openSink: host.openSink,
      configuration: () => host.configuration(),
      newId: () => host.newId(),
      you: () => host.room()?.you ?? 0,
      others: () => this.others(),
      name: (member) => host.room()?.members.find(({ number }) => number === member)?.person.name ?? '',
      send: (message) => this.channel.send(message),
      whisper: (to, message) => void this.whisper(to, message),
      changed: (files) => host.changed({ files }),
    }, host.room()?.files ?? [])
  }

  /** Those who can hear us and whom we can hear, the first to come first. */
  private others(): readonly number[] {
    const room = this.channel.open ? this.host.room() : null
    // Whose key is here has ours: it was given first.
    const hears = (member: number) => room?.encryption === null || room?.encryption.trust[member] === 'verified'
    return room?.members.filter(({ number, connected, kind }) => number !== room.you && connected && kind !== 'encoder' && hears(number)).map(({ number }) => number) ?? []
  }

  /** Says something to one member, by way of the server; in an encrypted room it cannot read it. */
  private async whisper(to: number, message: object): Promise<void> {
    const json = JSON.stringify(message)
    const sealed = this.exchange === null ? null : await this.exchange.seal(utf8(json))
    if (this.closed || (this.exchange !== null && sealed === null)) return
    const text = sealed === null ? json : base64url(sealed)
    this.host.send({ type: 'whisper', call: this.id, to, text })
  }

  /** A member says something to us alone. */
  async whispered(from: number, text: string): Promise<void> {
    const sealed = this.exchange === null ? null : fromBase64url(text, Math.floor((text.length * 3) / 4))
    const opened = this.exchange === null ? utf8(text) : sealed && await this.exchange.open(from, sealed)
    const message = opened ? parseBody(opened) : null
    if (message && !this.closed) this.files.whispered(from, message)
  }

  private remember(): RoomHistory {
    const { host } = this
    const you = () => host.room()?.you ?? 0
    return new RoomHistory({
      clock: host.environment.clock,
      you,
      others: () => this.others(),
      send: (message) => this.channel.send(message),
      said: () => this.chat.history(you(), host.room()?.members.find(({ number }) => number === you())?.person.name ?? ''),
      told: (said) => this.chat.catchUp(said, you()),
    })
  }

  private encrypt(key: string, line: FrameLine | null): Exchange {
    const { host } = this
    const exchange = new Exchange({
      clock: host.environment.clock,
      // A group has keys of its own.
      room: this.main === this.id ? host.room()?.room ?? '' : `${host.room()?.room}/${this.id}`,
      key,
      you: () => host.room()?.you ?? 0,
      members: () => host.room()?.members.map(({ number }) => number) ?? [],
      send: (message) => this.channel.sendKeys(message),
      order: (order) => line?.order(order),
      changed: (encryption: Encryption) => {
        host.changed({ encryption })
        this.history.look()
        this.files.look()
      },
    })
    if (line) line.onreport = (report) => this.reported(exchange, report)
    return exchange
  }

  /** The server has us in the room, without a peer connection: makes one and offers it. */
  enter(ticket: string): void {
    this.ticket = ticket
    this.leavePeer()
    if (this.listens()) this.host.silence()
    this.outgoing = this.listens() ? NOTHING : this.offering
    const { environment } = this.host
    const peer = this.peer = new ServerPeer(this.host.configuration(), environment, {
      offer: (description) => this.offered(description),
      path: (path) => this.followed(path),
      channel: (channel) => this.channel.use(channel),
      slots: () => this.fillSlots(),
      dead: () => this.rejoin(),
    }, this.outgoing.camera, this.line)
    this.exchange?.membersChanged()
    peer.attach(this.outgoing)
    peer.grow(this.tiles.length)
    this.fillSlots()
    this.tellSending()
    this.cancelConnect ??= environment.clock.after(CONNECT_TIMEOUT, () => { if (!this.everConnected) this.host.failed() })
    this.watch()
  }

  /** Asks the server to have us in the room again. */
  rejoin(): void {
    this.host.changed({ path: 'reconnecting' })
    this.host.send({ type: 'rejoin', call: this.main, ticket: this.ticket })
  }

  /** Somebody came, went or changed. */
  membersChanged(): void {
    this.exchange?.membersChanged()
    this.history.look()
    this.files.present(this.host.room()?.members.map(({ number }) => number) ?? [])
  }

  /** Shows a feeling to the others; in an encrypted room the server does not see which. */
  react(reaction: string): void {
    if (this.exchange === null) this.host.send({ type: 'express', call: this.id, reaction })
    else this.channel.send({ type: 'reaction', reaction })
  }

  /** Our role is another, and with it the ticket. Who may speak now turns the microphone on when they want to. */
  promoted(ticket: string): void {
    this.ticket = ticket
    if (this.listens()) this.host.silence()
    this.attach(this.offering)
  }

  /** Whether we are here to see and hear only. */
  private listens(): boolean {
    const room = this.host.room()
    return room !== null && self(room)?.role === 'attendee'
  }

  describe(description: Description): void { this.peer?.describe(description) }

  attach(outgoing: Outgoing): void {
    this.offering = outgoing
    this.outgoing = this.listens() ? NOTHING : outgoing
    this.peer?.attach(this.outgoing)
    this.tellSending()
  }

  /** Which pictures are on the screen, the most important first. */
  arrange(tiles: readonly Tile[]): void {
    this.tiles = tiles
    this.peer?.grow(tiles.length)
    this.tellLayout()
  }

  /** The server shows something else in a slot (the model knows what). */
  reshow(): void {
    const shown = this.host.room()?.shown ?? []
    const pictures = new Map<string, MediaStream>()
    shown.forEach((view, slot) => {
      const stream = this.slots[slot]
      // The server says what it puts where; in an encrypted room the keys have to say the same.
      const agreed = this.exchange === null || sameView(this.carried[slot], view)
      if (view && stream && agreed) pictures.set(tileKey(view), stream)
    })
    this.pictures = pictures
  }

  want(rids: readonly string[]): void { this.peer?.want(rids) }

  /** New credentials for STUN and TURN. A path over a relay that will not know the old ones for long is found anew. */
  configure(relayed: boolean): void {
    this.peer?.configure(this.host.configuration())
    if (relayed) this.peer?.restart()
  }

  /** The server would not answer an offer, or not have us again. */
  refused(): void { if (this.peer?.path !== 'connected') this.host.failed() }

  networkChanged(): void { if (this.everConnected) this.peer?.restart() }

  /** Whether the camera of a member is decoded here, or their voice heard if they have none. */
  async flows(person: string): Promise<boolean> {
    const room = this.host.room()
    if (room === null || room.path !== 'connected') return false
    const member = room.members.find((it) => it.person.id === person && it.number !== room.you)
    if (!member?.sending.camera) return !member?.sending.microphone || room.voices.includes(member.number)
    const slot = room.shown.findIndex((view) => view?.member === member.number && view.source === 'camera')
    const mid = slot < 0 ? null : this.peer?.mid(slot) ?? null
    const report = mid === null ? undefined : await this.peer?.stats().catch(() => undefined)
    const decoded = report && snapshot(report, 0).stats.some((stat) => stat.type === 'inbound-rtp' && stat['mid'] === mid && Number(stat['framesDecoded']) > 0)
    return decoded === true
  }

  store(): StoredConference { return { ticket: this.ticket } }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.leavePeer()
    this.exchange?.close()
    this.history.close()
    this.files.close()
    this.line?.close()
    for (const cancel of [this.cancelConnect, this.cancelLayout]) cancel?.()
  }

  private leavePeer(): void {
    this.channel.leave()
    this.carried.length = 0
    this.peer?.close()
    this.peer = null
    this.look = null
    this.cancelLook?.()
    this.cancelLook = null
    this.told = []
    this.sending = null
    this.pictures = new Map()
  }

  private heard(member: number, message: Readonly<Record<string, unknown>>): void {
    const { type, reaction, verdict } = message
    if (type === 'quality') this.heardQuality(member, verdict)
    else if (this.exchange !== null && type === 'reaction' && isText(reaction, REACTION_MOST)) this.host.expressed(member, reaction)
    else if (!this.history.take(member, message) && !this.files.heard(member, message)) this.chat.take(member, message)
  }

  private heardQuality(member: number, verdict: unknown): void {
    const room = this.host.room()
    if (room === null || !isTold(verdict) || room.qualities[member] === verdict || !room.members.some(({ number }) => number === member)) return
    this.host.changed({ qualities: { ...room.qualities, [member]: verdict } })
  }

  private tellQuality(verdict: Quality['verdict']): void {
    const now = this.host.environment.clock.now()
    if (!isTold(verdict) || (verdict === this.toldQuality.verdict && now - this.toldQuality.at < TELL_QUALITY_EVERY)) return
    this.toldQuality = { verdict, at: now }
    this.channel.send({ type: 'quality', verdict })
  }

  private reported(exchange: Exchange, report: Report): void {
    exchange.report(report)
    if (report.type !== 'carries' || (report.source !== 'camera' && report.source !== 'screen')) return
    this.carried[report.slot] = { member: report.member, source: report.source }
    this.reshow()
    // The model is as before, but what is to be seen is not.
    this.host.changed({})
  }

  private offered(description: Description): void {
    this.host.send({ type: 'description', call: this.id, description })
    // The server can show something in a slot only after it has heard of the slot.
    this.tellLayout()
  }

  private followed(path: RoomCall['path']): void {
    if (path === 'connected') {
      this.everConnected = true
      this.cancelConnect?.()
      this.cancelLook?.()
      void this.lookAgain()
    }
    this.host.changed({ path })
  }

  private fillSlots(): void {
    const { environment } = this.host
    const fillAll = (streams: MediaStream[], tracks: readonly MediaStreamTrack[]) => tracks.forEach((track, slot) => fill(streams[slot] ??= environment.stream(), track))
    fillAll(this.voices, this.peer?.voices() ?? [])
    fillAll(this.slots, this.peer?.pictures() ?? [])
    this.reshow()
  }

  private tellSending(): void {
    const { microphone, camera, screen } = this.outgoing
    const sending = { microphone: microphone?.enabled ?? false, camera: camera !== null, screen: screen !== null }
    const before = this.sending
    if (this.peer === null || (before && before.microphone === sending.microphone && before.camera === sending.camera && before.screen === sending.screen)) return
    this.sending = sending
    this.host.send({ type: 'sending', call: this.id, ...sending })
  }

  private tellLayout(): void {
    const { peer } = this
    if (peer === null || peer.offered === 0) return
    if (this.cancelLayout !== null) {
      this.layoutDue = true
      return
    }
    const slots = assign(this.told, this.tiles, peer.offered)
    if (sameLayout(slots, this.told)) return
    this.told = slots
    this.host.send({ type: 'layout', call: this.id, slots })
    this.cancelLayout = this.host.environment.clock.after(LAYOUT_EVERY, () => {
      this.cancelLayout = null
      if (this.layoutDue) {
        this.layoutDue = false
        this.tellLayout()
      }
    })
  }

  private watch(): void {
    this.cancelLook ??= this.host.environment.clock.after(LOOK_EVERY, () => void this.lookAgain())
  }

  private async lookAgain(): Promise<void> {
    const { peer } = this
    const report = await peer?.stats().catch(() => null)
    if (this.closed || peer === null || peer !== this.peer) return
    if (report) {
      const now = snapshot(report, this.host.environment.clock.now())
      if (peer.path === 'connected') {
        const found = quality(this.look, now)
        // At the beginning every sender is limited: it does not know yet what the path carries.
        this.limited = isUploadLimited(now) ? this.limited + 1 : 0
        this.host.changed({ quality: found, uploadWeak: this.limited >= LIMITED_LOOKS })
        this.tellQuality(found.verdict)
      }
      this.look = now
    }
    this.cancelLook = null
    this.watch()
  }
}

function isTold(verdict: unknown): verdict is TellsQuality {
  return verdict === 'good' || verdict === 'fair' || verdict === 'poor'
}

/**
 * Puts another track into the stream that is being played, and tells so by an event `filled`: Firefox pauses an element
 * when the last track of its stream has ended, and does not go on by itself when there is another.
 */
export function fill(stream: MediaStream, track: MediaStreamTrack | undefined): void {
  for (const old of stream.getTracks()) if (old !== track) stream.removeTrack(old)
  if (track === undefined || stream.getTracks().includes(track)) return
  stream.addTrack(track)
  stream.dispatchEvent(new Event('filled'))
}
