/**
 * The client: a model, what a person can do, and the effects between the two.
 *
 * Messages and commands become events for the reducer; what has to happen besides (a peer connection made, a frame
 * sent) happens here, after the reducer has said what the state is now.
 */
import { Conversation, type StoredConversation } from './conversation.js'
import { browserEnvironment, randomId, type Environment } from './environment.js'
import { Media } from './media.js'
import type { Call, Commands, Model } from './model.js'
import type { IceServer, Media as Sends } from './protocol.js'
import { callId, INITIAL, isFree, reduce, type Event } from './reducer.js'
import { Signal, type Notice, type Request, type Welcome } from './signal.js'
import { openSink, type OpenSink } from './sink.js'
import { Memory, type StoredTab } from './storage.js'

export interface ClientOptions {
  /** The server's WebSocket, `wss://…/ws`; by default that of the server the page comes from. */
  readonly url?: string
  /** Where received files go; by default to disk where the browser can and the file is large, else to memory. */
  readonly openSink?: OpenSink
  /** `relay` hides our addresses from the other side and needs TURN. */
  readonly iceTransportPolicy?: RTCIceTransportPolicy
  /** The world, for tests. */
  readonly environment?: Environment
}

export interface Client {
  model(): Model
  /** Calls `listener` with every new model; the result stops that. */
  subscribe(listener: (model: Model) => void): () => void
  readonly commands: Commands
  /** Ends the call and the session and gives the devices back. */
  close(): void
}

export function createClient(options: ClientOptions = {}): Client {
  const core = new Core(options)
  return {
    model: () => core.model,
    subscribe: (listener) => core.subscribe(listener),
    commands: core.commands(),
    close: () => core.close(),
  }
}

/** Milliseconds for which the page is not told of a call that gets connected: to draw it would hold that up. */
const CONNECT_FIRST = 500
/** New credentials are asked for after this part of their life. */
const ICE_REFRESH_AFTER = 0.8

class Core {
  model: Model = INITIAL
  private readonly environment: Environment
  private readonly memory: Memory
  private readonly signal: Signal
  private readonly media: Media
  private readonly page: string
  private readonly listeners = new Set<(model: Model) => void>()
  private readonly unwatch: () => void
  private conversation: Conversation | null = null
  /** What the page before this one left, until the server has welcomed us. */
  private left: StoredTab | null = null
  private iceServers: readonly IceServer[] = []
  private cancelRefresh: (() => void) | null = null
  private findRequest = 0
  /** Ends the time in which the listeners are not told. */
  private tellNow: (() => void) | null = null

  constructor(private readonly options: ClientOptions) {
    this.environment = options.environment ?? browserEnvironment()
    this.page = randomId(this.environment)
    this.memory = new Memory(this.environment)
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
    this.unwatch = this.environment.watch({ wake: (changed) => this.wake(changed), leave: () => this.leave() })
    const tab = this.memory.takeTab()
    if (tab !== null) this.takeUp(tab)
  }

  subscribe(listener: (model: Model) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  close(): void {
    this.hangUp()
    this.unwatch()
    this.cancelRefresh?.()
    this.media.end()
    this.signal.stop()
  }

  commands(): Commands {
    const { media } = this
    return {
      connect: (name) => this.connect(name),
      rename: (name) => this.rename(name),
      find: (query) => void this.signal.send({ type: 'find', request: ++this.findRequest, query }),
      openCamera: (deviceId) => media.open('camera', deviceId),
      closeCamera: () => media.close('camera'),
      openMicrophone: (deviceId) => media.open('microphone', deviceId),
      closeMicrophone: () => media.close('microphone'),
      setMuted: (muted) => media.setMuted(muted),
      setSpeaker: (deviceId) => media.setSpeaker(deviceId),
      call: (to) => this.call(to),
      meet: (room) => this.meet(room),
      accept: (sends) => this.accept(sends),
      decline: () => this.decline(),
      hangUp: () => this.hangUp(),
      dismiss: () => { if (this.model.call.kind === 'ended') this.dispatch({ type: 'dismiss' }) },
      shareScreen: async () => { if (this.model.call.kind === 'running') await media.openScreen() },
      stopScreen: () => media.closeScreen(),
      say: (text) => this.talking()?.chat.say(text, () => randomId(this.environment), this.now()),
      sendFiles: (files) => this.talking()?.files.offer(files),
      takeFile: (id) => void this.talking()?.files.take(id),
      refuseFile: (id) => this.talking()?.files.refuse(id),
      cancelFile: (id) => this.talking()?.files.cancel(id),
      streams: () => this.streams(),
      level: () => media.level(),
    }
  }

  private connect(name: string): void {
    const wanted = name.trim() || this.memory.name
    this.memory.name = wanted
    this.signal.start({ name: wanted, identity: this.memory.identity })
    const { me } = this.model
    if (me !== null && wanted !== null && me.name !== wanted) this.rename(wanted)
  }

  private rename(name: string): void {
    const wanted = name.trim()
    if (wanted === '') return
    this.memory.name = wanted
    this.signal.send({ type: 'rename', name: wanted })
  }

  private call(to: string): void {
    const wanted = to.trim()
    if (wanted === '' || !isFree(this.model.call)) return
    const id = randomId(this.environment)
    this.converse(id, true)
    this.dispatch({ type: 'begin', call: { kind: 'outgoing', id, to: wanted, person: null, ringing: false } })
    this.signal.send({ type: 'invite', call: id, to: wanted, media: this.sends() })
  }

  private meet(room: string): void {
    const { call } = this.model
    if (call.kind === 'waiting' ? call.room === room : !isFree(call)) return
    if (call.kind === 'waiting') this.signal.send({ type: 'leave', room: call.room })
    this.dispatch({ type: 'begin', call: { kind: 'waiting', room } })
    this.signal.send({ type: 'meet', room, media: this.sends() })
  }

  private async accept(sends: Sends): Promise<void> {
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

  private decline(): void {
    const { call } = this.model
    if (call.kind !== 'incoming') return
    this.signal.send({ type: 'decline', call: call.id, busy: false })
    this.part(false)
    this.dispatch({ type: 'dismiss' })
  }

  private hangUp(): void {
    const { call } = this.model
    switch (call.kind) {
      case 'incoming':
        return this.decline()
      case 'waiting':
        this.signal.send({ type: 'leave', room: call.room })
        return this.dispatch({ type: 'dismiss' })
      case 'outgoing':
      case 'running':
        this.signal.send({ type: 'end', call: call.id })
        this.part(true)
        return this.dispatch({ type: 'over', reason: call.kind === 'running' ? 'hung-up' : 'cancelled', now: this.now() })
      case 'idle':
      case 'ended':
        return
    }
  }

  private streams(): ReturnType<Commands['streams']> {
    const { stream } = this.media
    // A browser takes its time with a fresh element, so what will be played is there while it rings.
    const talk = this.conversation
    return {
      local: stream.getTracks().length > 0 ? stream : null,
      screen: this.media.screenStream,
      remote: talk?.remote ?? null,
      remoteVoice: talk?.remoteVoice ?? null,
      remoteScreen: talk?.remoteScreen ?? null,
    }
  }

  private welcomed(welcome: Welcome, lost: boolean): void {
    this.useIce(welcome.iceServers, welcome.iceLifetime, false)
    this.dispatch({ type: 'welcome', me: welcome.me })
    // The person went on typing while the greeting was under way.
    if (this.memory.name !== null && this.memory.name !== this.signal.saidName) this.rename(this.memory.name)
    this.converseAgain()
    if (!lost) return
    // The server began anew: it knows nothing of our call, whose media may well be running.
    const { call } = this.model
    switch (call.kind) {
      case 'running':
        return void this.signal.send({ type: 'rejoin', call: call.id, ticket: this.conversation?.ticket ?? '' })
      case 'waiting':
        return void this.signal.send({ type: 'meet', room: call.room, media: this.sends() })
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
    if (notice.type === 'started' && !notice.rejoined) this.tellLater()
    this.dispatch({ type: 'notice', notice, about, now: this.now() })
    const { call } = this.model
    if (before.kind !== 'ended' && call.kind === 'ended') this.part(false)
    if (notice.type === 'ice-servers') this.useIce(notice.iceServers, notice.iceLifetime, true)
    if (notice.type === 'error') this.refused(about)
    if ('call' in notice) this.callNotice(notice, before, call)
  }

  private callNotice(notice: Extract<Notice, { call: string }>, before: Call, call: Call): void {
    switch (notice.type) {
      case 'incoming':
        // The server rings only who is free; this one crossed a call of ours. If it was an invite to the one who
        // calls, the two are one call by now and declining this one comes too late to matter (`merged`).
        if (callId(call) !== notice.call) return void this.signal.send({ type: 'decline', call: notice.call, busy: true })
        if (before.kind === 'waiting') this.signal.send({ type: 'leave', room: before.room })
        if (before !== call) this.converse(notice.call, false).offer()
        return
      case 'started':
        if (callId(call) !== notice.call) return void this.signal.send({ type: 'end', call: notice.call })
        if (callId(before) !== notice.call) this.converse(notice.call, notice.polite)
        this.conversation?.start(notice.polite, notice.ticket, notice.description, notice.rejoined)
        return
      case 'description':
        if (callId(call) === notice.call) this.conversation?.describe(notice.description)
        return
      case 'candidate':
        if (callId(call) === notice.call) this.conversation?.candidate(notice.candidate)
        return
      case 'peer':
        if (callId(call) === notice.call) this.conversation?.present(notice.present)
        return
      case 'ringing':
      case 'ended':
        return
    }
  }

  /** A call that cannot be rejoined goes on as long as its media do; once they stop it is lost. */
  private refused(about: Request | null): void {
    if (about?.type === 'rejoin' && about.call === callId(this.model.call)) this.conversation?.orphan()
  }

  private converse(id: string, polite: boolean, stored: StoredConversation | null = null): Conversation {
    const messages = this.model.call.kind === 'running' ? this.model.call.messages : []
    this.conversation?.close(false)
    const conversation = new Conversation({
      environment: this.environment,
      openSink: this.options.openSink ?? openSink,
      page: this.page,
      configuration: () => this.configuration(),
      stream: this.media.stream,
      description: (description) => void this.signal.send({ type: 'description', call: id, description }),
      candidate: (candidate) => void this.signal.send({ type: 'candidate', call: id, candidate }),
      changed: (change) => this.dispatch({ type: 'talk', call: id, change }),
      over: (reason) => { if (callId(this.model.call) === id) this.over(reason) },
    }, polite, stored, messages)
    this.conversation = conversation
    conversation.attach(this.media.outgoing)
    return conversation
  }

  /** Ends the call from our side, for a reason that is not the person's wish. */
  private over(reason: Extract<Event, { type: 'over' }>['reason']): void {
    const id = callId(this.model.call)
    if (id !== null) this.signal.send({ type: 'end', call: id })
    this.part(reason === 'failed')
    this.dispatch({ type: 'over', reason, now: this.now() })
  }

  private part(tell: boolean): void {
    this.conversation?.close(tell)
    this.conversation = null
    this.media.closeScreen()
  }

  private talking(): Conversation | null {
    return this.model.call.kind === 'running' ? this.conversation : null
  }

  private attach(): void {
    this.conversation?.attach(this.media.outgoing)
    const { call } = this.model
    if (call.kind !== 'running') return
    const sharingScreen = this.media.screenStream !== null
    if (sharingScreen !== call.sharingScreen) this.dispatch({ type: 'talk', call: call.id, change: { sharingScreen } })
  }

  private sends(): Sends {
    return { audio: this.media.isOn('microphone'), video: this.media.isOn('camera') }
  }

  private configuration(): RTCConfiguration {
    return {
      iceServers: this.iceServers.map((server) => ({ ...server })),
      bundlePolicy: 'max-bundle',
      // One bundle needs one pool: gathering begins while it rings.
      iceCandidatePoolSize: 1,
      iceTransportPolicy: this.options.iceTransportPolicy ?? 'all',
    }
  }

  /**
   * Takes servers with new credentials. With `renewed` the old ones are about to end: a path over a relay is then found
   * anew. After a mere new socket the path keeps what it has, and the time at which that ends.
   */
  private useIce(servers: readonly IceServer[], lifetimeSeconds: number, renewed: boolean): void {
    this.iceServers = servers
    const { call } = this.model
    if (renewed || call.kind !== 'running' || this.conversation === null) {
      this.cancelRefresh?.()
      const refresh = () => void this.signal.send({ type: 'ice-servers' })
      this.cancelRefresh = this.environment.clock.after(lifetimeSeconds * 1000 * ICE_REFRESH_AFTER, refresh)
    }
    this.conversation?.configure(renewed && call.kind === 'running' && call.quality.route === 'relayed')
  }

  private wake(networkChanged: boolean): void {
    this.memory.putTab(null)
    this.signal.wake()
    if (networkChanged) this.talking()?.networkChanged()
  }

  private leave(): void {
    const session = this.signal.store()
    if (session === null) return
    this.conversation?.leave()
    const { call, camera, microphone } = this.model
    // A page that goes before the server welcomed it hands on what the one before it left.
    const { left } = this
    this.memory.putTab({
      session,
      // Files are lost with the page: neither their bytes nor the leave to read them can be kept.
      call: call.kind === 'running' ? { ...call, files: [], sharingScreen: false } : call,
      conversation: this.conversation?.store() ?? left?.conversation ?? null,
      camera: camera.kind === 'on' ? camera.deviceId : left?.camera ?? null,
      microphone: microphone.kind === 'on' ? microphone.deviceId : left?.microphone ?? null,
      muted: microphone.kind === 'on' ? microphone.muted : left?.muted ?? false,
    })
  }

  private takeUp(tab: StoredTab): void {
    const { call } = tab
    this.dispatch({ type: 'begin', call: call.kind === 'running' ? { ...call, path: 'reconnecting', safetyCode: null } : call })
    this.media.setMuted(tab.muted)
    if (tab.microphone !== null) void this.media.open('microphone', tab.microphone)
    if (tab.camera !== null) void this.media.open('camera', tab.camera)
    this.signal.start({ name: this.memory.name, identity: this.memory.identity }, tab.session)
    this.left = tab
  }

  /** The conversation that the page before left, as soon as there are ICE servers to continue it with. */
  private converseAgain(): void {
    const { left } = this
    this.left = null
    const { call } = this.model
    if (left === null || callId(call) === null || callId(call) !== callId(left.call)) return
    if (call.kind === 'outgoing') this.converse(call.id, true)
    if (call.kind === 'incoming') this.converse(call.id, false).offer()
    if (call.kind === 'running') this.converse(call.id, false, left.conversation).takeUp()
  }

  private dispatch(event: Event): void {
    const next = reduce(this.model, event)
    if (next === this.model) return
    this.model = next
    if (this.tellNow === null) this.tell()
    else if (next.call.kind !== 'running' || next.call.path === 'connected') this.tellNow()
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener(this.model)
  }

  /** A page that draws does not answer: so it is told of the call once the path stands, or soon. */
  private tellLater(): void {
    this.tellNow?.()
    const cancel = this.environment.clock.after(CONNECT_FIRST, () => this.tellNow?.())
    this.tellNow = () => {
      cancel()
      this.tellNow = null
      this.tell()
    }
  }

  private now(): number { return this.environment.clock.now() }
}

function serverOfPage(): string {
  const { protocol, host } = location
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/ws`
}
