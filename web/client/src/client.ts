/**
 * The client: a model, what a person can do, and the effects between the two.
 *
 * Messages and commands become events for the reducer; what has to happen besides (a peer connection made, a frame
 * sent) happens here, after the reducer has said what the state is now.
 */
import { commandsOf } from './commands.js'
import { confer, Written } from './confer.js'
import type { Conference } from './conference.js'
import { Conversation, type StoredConversation } from './conversation.js'
import { browserEnvironment, randomId, serverOfPage, type Environment } from './environment.js'
import { conversationHost } from './hosts.js'
import { IceServers } from './iceservers.js'
import { isLinkKey } from './e2ee/identity.js'
import { Media } from './media.js'
import type { Call, ChatMessage, Ending, Model } from './model.js'
import type { Description, IceServer, Media as Sends } from './protocol.js'
import { Moving } from './moving.js'
import { callId, isFree, taken, type Event } from './reducer.js'
import { Rung } from './rung.js'
import { Signal, type Notice, type Request, type Welcome } from './signal.js'
import type { Client, ClientOptions } from './options.js'
import { devicesOf, Memory, type StoredTab } from './storage.js'
import { NEGOTIATES, PREPARED, Store } from './store.js'

export function createClient(options: ClientOptions = {}): Client {
  const core = new Core(options)
  const { store } = core
  return { model: () => store.model, subscribe: (listener) => store.subscribe(listener), commands: commandsOf(core), close: () => core.close() }
}

/** Milliseconds for which we stay in a room after it has become a call of two: the other may not be as far. */
const ROOM_LINGERS = 3_000
/** The height of the friend's picture in a room that is not on the screen yet. */
const FRIEND_HEIGHT = 720
/** Milliseconds for which a feeling is shown. */
const REACTION_FOR = 4_000

/** What the parts below share; programs see it as `Client`. */
export class Core {
  readonly store: Store
  readonly environment: Environment
  private readonly memory: Memory
  readonly signal: Signal
  readonly media: Media
  readonly page: string
  private readonly unwatch: () => void
  conversation: Conversation | null = null
  conference: Conference | null = null
  private readonly written = new Written()
  readonly moving: Moving
  /** What the page before this one left, until the server has welcomed us. */
  private left: StoredTab | null = null
  readonly ice: IceServers
  private readonly rung = new Rung()
  private findRequest = 0

  constructor(readonly options: ClientOptions) {
    this.environment = options.environment ?? browserEnvironment(options.frameWorker)
    this.store = new Store(this.environment.clock)
    this.page = randomId(this.environment)
    this.memory = new Memory(this.environment, options.token)
    this.media = new Media(this.environment, {
      capture: (source, capture) => this.dispatch({ type: 'capture', source, capture }),
      devices: (devices) => this.dispatch({ type: 'devices', devices }),
      tracks: () => this.attach(),
    })
    this.signal = new Signal(this.environment, options.url ?? serverOfPage(), {
      link: (link) => this.dispatch({ type: 'link', link }),
      welcome: (welcome, lost) => this.welcomed(welcome, lost),
      notice: (notice, about) => this.noticed(notice, about),
      identity: (identity) => { this.memory.identity = identity },
      identityRefused: () => { this.memory.identity = null },
    })
    this.ice = new IceServers(this.environment.clock, options.iceTransportPolicy ?? 'all', () => void this.signal.send({ type: 'ice-servers' }))
    this.moving = new Moving(this.environment.clock, {
      model: () => this.model,
      flows: () => this.flows(),
      move: () => this.move(),
    })
    this.unwatch = this.environment.watch({ wake: (changed) => this.wake(changed), leave: () => this.leave() })
    const tab = this.memory.takeTab()
    if (tab !== null) this.takeUp(tab)
  }

  get model(): Model { return this.store.model }

  close(): void {
    this.hangUp()
    this.unwatch()
    this.ice.close()
    this.media.end()
    this.signal.stop()
  }

  connect(name: string): void {
    const wanted = name.trim() || this.memory.name
    this.memory.name = wanted
    this.signal.start({ name: wanted, identity: this.memory.identity, token: this.memory.token })
    const { me } = this.model
    if (me !== null && wanted !== null && me.name !== wanted && this.memory.token === null) this.rename(wanted)
  }

  rename(name: string): void {
    const wanted = name.trim()
    if (wanted === '') return
    this.memory.name = wanted
    this.signal.send({ type: 'rename', name: wanted })
  }

  look(query: string): void { this.signal.send({ type: 'find', request: ++this.findRequest, query }) }

  call(to: string): void {
    const wanted = to.trim()
    if (wanted === '' || !isFree(this.model.call)) return
    const id = randomId(this.environment)
    this.converse(id, true, true)
    this.dispatch({ type: 'begin', call: { kind: 'outgoing', id, to: wanted, person: null, ringing: false } })
    this.signal.send({ type: 'invite', call: id, to: wanted, media: this.sends(), early: true })
  }

  meet(room: string, key: string | null): void {
    const { call } = this.model
    if (call.kind === 'waiting' ? call.room === room && call.key === key : !isFree(call)) return
    if (call.kind === 'waiting') this.signal.send({ type: 'leave', room: call.room })
    this.dispatch({ type: 'begin', call: { kind: 'waiting', room, key } })
    // A link with a key never leads to where others could look or listen.
    const reason = key === null ? null : !isLinkKey(key) ? 'encrypted' : this.environment.frameLine === null ? 'cannot-encrypt' : null
    if (reason) this.dispatch({ type: 'over', reason, now: this.now() })
    else this.meetAt(room, key)
  }

  private meetAt(room: string, key: string | null): void {
    this.signal.send({ type: 'meet', room, media: this.sends(), ...(key === null ? {} : { encrypted: true }) })
  }

  async accept(sends: Sends): Promise<void> {
    const { call } = this.model
    if (call.kind !== 'incoming' || this.conversation === null || this.conversation.accepted) return
    this.signal.send({ type: 'accept', call: call.id, description: this.conversation.accept(), media: sends })
    if (!sends.video) this.media.close('camera')
    if (!sends.audio) this.media.close('microphone')
    await Promise.all([
      sends.audio && !this.media.isOn('microphone') ? this.media.open('microphone') : null,
      sends.video && !this.media.isOn('camera') ? this.media.open('camera') : null,
    ])
  }

  decline(): void {
    const { call } = this.model
    if (call.kind !== 'incoming') return
    this.signal.send({ type: 'decline', call: call.id, busy: false })
    this.part(false)
    this.dispatch({ type: 'dismiss' })
  }

  hangUp(): void {
    const { call } = this.model
    switch (call.kind) {
      case 'incoming':
        return this.decline()
      case 'waiting':
      case 'lobby':
        this.signal.send({ type: 'leave', room: call.room })
        return this.dispatch({ type: 'dismiss' })
      case 'outgoing':
      case 'running':
      case 'room':
        for (const id of [call.id, this.model.next?.id]) if (id) this.signal.send({ type: 'end', call: id })
        this.part(true)
        return this.dispatch({ type: 'over', reason: call.kind === 'outgoing' ? 'cancelled' : 'hung-up', now: this.now() })
      case 'idle':
      case 'ended':
        return
    }
  }

  private welcomed(welcome: Welcome, lost: boolean): void {
    this.useIce(welcome.iceServers, welcome.iceLifetime, false)
    this.dispatch({ type: 'welcome', me: welcome.me })
    // The person went on typing while the greeting was under way.
    if (this.memory.name !== null && this.memory.name !== this.signal.saidName) this.rename(this.memory.name)
    const takenUp = this.left !== null
    this.converseAgain()
    if (!lost) return
    // The server began anew: it knows nothing of our call, whose media may well be running.
    const { call } = this.model
    switch (call.kind) {
      case 'running':
        return void this.signal.send({ type: 'rejoin', call: call.id, ticket: this.conversation?.ticket ?? '' })
      case 'room':
        return takenUp ? undefined : this.conference?.rejoin()
      case 'waiting':
      case 'lobby':
        return this.meetAt(call.room, call.key)
      case 'outgoing':
      case 'incoming':
        return this.over('lost')
      case 'idle':
      case 'ended':
        return
    }
  }

  private noticed(notice: Notice, about: Request | null): void {
    const before = this.model.call
    // An answer to an earlier question would show what nobody asks for any more.
    if (notice.type === 'people' && notice.request !== this.findRequest) return
    // The server moves on from a call that we have not even moved to.
    if ((notice.type === 'started' || notice.type === 'conference') && notice.replaces && notice.replaces === this.model.next?.id) this.move()
    if (notice.type === 'started' && !notice.rejoined && !notice.replaces) this.store.tellLater('prepared' in before && before.prepared ? PREPARED : NEGOTIATES)
    this.dispatch({ type: 'notice', notice, about, now: this.now() })
    const { call } = this.model
    if (before.kind !== 'ended' && call.kind === 'ended') this.part(false)
    this.moving.follow()
    if (notice.type === 'ice-servers') this.useIce(notice.iceServers, notice.iceLifetime, true)
    if (notice.type === 'error') this.refused(about)
    if ('call' in notice) this.callNotice(notice, before, call)
  }

  private callNotice(notice: Extract<Notice, { call: string }>, before: Call, call: Call): void {
    const { conversation, conference } = this
    const talk = conversation?.id === notice.call ? conversation : null
    const room = conference?.id === notice.call ? conference : null
    switch (notice.type) {
      case 'incoming':
        // The server rings only who is free; this one crossed a call of ours. If it was an invite to the one who
        // calls, the two are one call by now and declining this one comes too late to matter (`merged`).
        if (callId(call) !== notice.call) return void this.signal.send({ type: 'decline', call: notice.call, busy: true })
        if (before.kind === 'waiting') this.signal.send({ type: 'leave', room: before.room })
        if (before !== call) this.converse(notice.call, false, notice.early === true).offer()
        return
      case 'started':
        if (!this.knows(notice.call)) return void this.signal.send({ type: 'end', call: notice.call })
        return (this.chosen(notice.device ?? null, talk) ?? this.converse(notice.call, notice.polite)).start(notice)
      case 'conference':
        if (!this.knows(notice.call)) return void this.signal.send({ type: 'end', call: notice.call })
        if (notice.encrypted && this.find(notice.call, 'room')?.key === null) return this.over('encrypted')
        return this.enter(room ?? this.confer(notice.call, '', before.kind === 'room' ? this.written.turn(before.id, before.messages, notice.call) : []), notice.ticket)
      case 'role': return room?.promoted(notice.ticket)
      case 'shown': return room?.reshow()
      case 'wanted': return room?.want(notice.rids)
      case 'muted': return this.media.setMuted(true)
      case 'expressed': return this.fade(notice.call)
      case 'description':
        if (notice.device !== undefined) return this.ringer(notice.device, notice.description, talk)
        talk?.describe(notice.description)
        return room?.describe(notice.description)
      case 'candidate':
        if (notice.device !== undefined) return this.rung.candidate(notice.device, notice.candidate)
        return talk?.candidate(notice.candidate)
      case 'peer': return talk?.present(notice.present)
      case 'ended': return this.ended(notice.call)
      case 'opened':
        if (talk) talk.ticket = notice.ticket
        return
      case 'whispered': return void room?.whispered(notice.from, notice.text)
      case 'announced': return room?.chat.announce(notice.from?.name ?? '', notice.text)
      case 'member':
      case 'members':
      case 'member-left':
        return room?.membersChanged()
      case 'ringing':
      case 'lobby':
      case 'knocking':
      case 'settings': case 'recording': case 'watchers': case 'unplayable': case 'paused': case 'breakout':
      case 'voices':
      case 'speaking':
        return
    }
  }

  /** Whether that is our call, or the one that it becomes. */
  private knows(id: string): boolean {
    return callId(this.model.call) === id || this.model.next?.id === id
  }

  /** The server is done with a call: the one that has become another, or the one that it was to become. */
  private ended(id: string): void {
    if (this.knows(id)) return this.moving.hurry()
    this.moving.release(id)
    if (this.conversation?.id === id) this.conversation = close(this.conversation)
    if (this.conference?.id === id) this.conference = close(this.conference)
  }

  /** Whether the next call is seen and heard. */
  private async flows(): Promise<boolean> {
    const { call, next } = this.model
    if (next?.kind === 'running') return this.conversation?.flows(next.remote.camera) ?? false
    return call.kind === 'running' ? this.conference?.flows(call.peer.id) ?? false : true
  }

  /** Enters a room. If our call is to become it, it has to show our friend before anything of it is on the screen. */
  private enter(conference: Conference, ticket: string): void {
    const { call, next } = this.model
    conference.enter(ticket)
    if (call.kind !== 'running' || next?.kind !== 'room') return
    const friend = next.members.find(({ person, number }) => person.id === call.peer.id && number !== next.you)
    if (friend) conference.arrange([{ member: friend.number, source: 'camera', height: FRIEND_HEIGHT }])
  }

  /** The next call takes the place of this one, which is let go a little later. */
  private move(): void {
    const { call } = this.model
    const { conversation, conference } = this
    if (call.kind !== 'running' && call.kind !== 'room') return
    this.dispatch({ type: 'move' })
    if (call.kind === 'running') {
      conversation?.retire()
      this.conversation = null
      // The server ends it when both have moved.
      this.moving.linger(call.id, null, () => conversation?.close(false))
      conference?.chat.adopt(call.messages)
    } else {
      this.conference = null
      this.moving.linger(call.id, ROOM_LINGERS, () => {
        this.signal.send({ type: 'end', call: call.id })
        conference?.close()
      })
      conversation?.chat.adopt(call.messages)
    }
    this.attach()
  }

  /** A call that cannot be rejoined goes on as long as its media do; once they stop it is lost. */
  private refused(about: Request | null): void {
    if (about?.type === 'rejoin' && about.call === this.conversation?.id) this.conversation.orphan()
    if ((about?.type === 'rejoin' || about?.type === 'description') && this.conference && [this.conference.id, this.conference.main].includes(about.call)) this.conference.refused()
  }

  private converse(id: string, polite: boolean, early = false, stored: StoredConversation | null = null): Conversation {
    const messages = this.model.call.kind === 'running' ? this.model.call.messages : []
    this.conversation?.close(false)
    const conversation = this.newConversation(id, polite, early, stored, messages)
    this.conversation = conversation
    return conversation
  }

  private newConversation(id: string, polite: boolean, early: boolean, stored: StoredConversation | null, messages: readonly ChatMessage[]): Conversation {
    const conversation = new Conversation(id, conversationHost(this, id), polite, early, stored, messages)
    conversation.attach(this.media.outgoing)
    return conversation
  }

  /** A device that rings sent a description. */
  private ringer(device: number, description: Description, talk: Conversation | null): void {
    const { call } = this.model
    if (call.kind === 'outgoing' && talk) this.rung.describe(device, description, talk, () => this.newConversation(call.id, true, true, talk.origin, []))
  }

  /** The conversation that a call begins with, if it is there. */
  private chosen(device: number | null, talk: Conversation | null): Conversation | null {
    if (talk === null) this.rung.close()
    else this.conversation = this.rung.choose(device, talk)
    return talk && this.conversation
  }

  private confer(id: string, ticket = '', messages: readonly ChatMessage[] = []): Conference {
    this.conference?.close()
    const conference = this.conference = confer(this, id, ticket, messages)
    conference.attach(this.media.outgoing)
    return conference
  }

  /** The running call or the room of that id, be it this call or the next. */
  find<K extends 'running' | 'room'>(id: string, kind: K): Extract<Call, { kind: K }> | null {
    for (const call of [this.model.call, this.model.next]) if (call?.kind === kind && call.id === id) return call as Extract<Call, { kind: K }>
    return null
  }

  inRoom(then: (call: string) => void): void { if (this.model.call.kind === 'room') then(this.model.call.id) }

  say(text: string): void {
    if (this.model.call.kind === 'room') this.conference?.chat.say(text)
    else this.talking()?.chat.say(text, () => randomId(this.environment), this.now())
  }

  react(call: string, reaction: string): void {
    this.conference?.react(reaction)
    this.dispatch({ type: 'express', call, reaction })
    this.fade(call)
  }

  fade(call: string): void { this.environment.clock.after(REACTION_FOR, () => this.dispatch({ type: 'fade', call })) }

  /** Ends the call from our side, for a reason that is not the person's wish. */
  over(reason: Ending): void {
    const id = callId(this.model.call)
    if (id !== null) this.signal.send({ type: 'end', call: id })
    this.part(reason === 'failed')
    this.dispatch({ type: 'over', reason, now: this.now() })
  }

  private part(tell: boolean): void {
    this.conversation?.close(tell)
    this.conversation = null
    this.rung.close()
    this.conference = close(this.conference)
    this.written.clear()
    this.moving.letGo()
    this.moving.follow()
    this.media.closeScreen()
  }

  talking(): Conversation | null { return this.model.call.kind === 'running' ? this.conversation : null }

  private attach(): void {
    this.conversation?.attach(this.media.outgoing)
    this.rung.attach(this.media.outgoing)
    this.conference?.attach(this.media.outgoing)
    const { call } = this.model
    if (call.kind !== 'running' && call.kind !== 'room') return
    const sharingScreen = this.media.screenStream !== null
    if (sharingScreen !== call.sharingScreen) this.dispatch({ type: 'talk', call: call.id, change: { sharingScreen } })
  }

  private sends(): Sends { return { audio: this.media.isOn('microphone'), video: this.media.isOn('camera') } }

  /**
   * Takes servers with new credentials. With `renewed` the old ones are about to end: a path over a relay is then found
   * anew. After a mere new socket the path keeps what it has, and the time at which that ends.
   */
  private useIce(servers: readonly IceServer[], lifetimeSeconds: number, renewed: boolean): void {
    const { call } = this.model
    this.ice.use(servers, lifetimeSeconds, renewed || (this.conversation === null && this.conference === null))
    const relayed = renewed && (call.kind === 'running' || call.kind === 'room') && call.quality.route === 'relayed'
    this.conversation?.configure(relayed)
    this.rung.configure()
    this.conference?.configure(relayed)
  }

  private wake(networkChanged: boolean): void {
    this.memory.putTab(null)
    this.signal.wake()
    if (!networkChanged) return
    this.talking()?.networkChanged()
    this.conference?.networkChanged()
  }

  private leave(): void {
    const session = this.signal.store()
    if (session === null) return
    this.conversation?.leave()
    const { call } = this.model
    // A page that goes before the server welcomed it hands on what the one before it left.
    const { left } = this
    this.memory.putTab({
      session,
      // Files are lost with the page: neither their bytes nor the leave to read them can be kept.
      call: call.kind === 'running' || call.kind === 'room' ? { ...call, files: [], sharingScreen: false } : call,
      conversation: this.conversation?.store(this.rung.generation) ?? left?.conversation ?? null,
      conference: this.conference?.store() ?? left?.conference ?? null,
      ...devicesOf(this.model, left),
    })
  }

  private takeUp(tab: StoredTab): void {
    const { call } = tab
    this.dispatch({ type: 'begin', call: taken(call) })
    this.media.setMuted(tab.muted)
    if (tab.microphone !== null) void this.media.open('microphone', tab.microphone)
    if (tab.camera !== null) void this.media.open('camera', tab.camera)
    this.signal.start({ name: this.memory.name, identity: this.memory.identity, token: this.memory.token }, tab.session)
    this.left = tab
  }

  /** What the page before left, as soon as there are ICE servers to continue it with. Of a room the server has to know. */
  private converseAgain(): void {
    const { left, model: { call } } = this
    this.left = null
    if (left === null || callId(call) === null || callId(call) !== callId(left.call)) return
    if (call.kind === 'outgoing') this.converse(call.id, true, left.conversation?.early, left.conversation)
    if (call.kind === 'incoming') this.converse(call.id, false, left.conversation?.early, left.conversation).offer()
    if (call.kind === 'running') this.converse(call.id, false, false, left.conversation).takeUp()
    if (call.kind === 'room') this.confer(call.id, left.conference?.ticket, call.messages).rejoin()
  }

  dispatch(event: Event): void { this.store.dispatch(event) }

  now(): number { return this.environment.clock.now() }
}

function close(conversation: Conversation | Conference | null): null {
  conversation?.close()
  return null
}
