/**
 * The way to the server: one session over as many sockets as it takes.
 *
 * The first frame on every socket is `hello`, the first back is `welcome` or `refused`. Everything else that matters
 * is numbered from 1 in each direction. What was sent and not acknowledged stays in `outbox`; a new socket says in
 * `hello` how far we had received, `welcome` says how far the server had, and both send again from there. A number
 * seen before is dropped. So every message arrives once and in order, however often the socket breaks.
 *
 * When the server no longer knows the session (it restarted, or we came too late), `welcome.resumed` is false: the
 * outbox belongs to the lost session and is dropped, and `lost` tells the owner to take its call up again.
 */
import { randomBetween, type Clock, type Environment, type SocketLike } from './environment.js'
import type { ServerLink } from './model.js'
import { VERSION, type ClientFrame, type ClientMessage, type Refusal, type ServerFrame, type ServerMessage } from './protocol.js'

/** Milliseconds to wait for a socket to open and for `welcome`. */
const OPENING_TIMEOUT = 10_000
/** Milliseconds to wait for any frame after a `ping`. */
const PONG_TIMEOUT = 8_000
/** The same when there is a reason to doubt the network. */
const PROBE_TIMEOUT = 3_000
/** Retries: the first about at once, then doubling to this many milliseconds. */
const RETRY_FIRST = 200
const RETRY_MOST = 15_000
/** After a refusal for sending too much. */
const RETRY_LIMITED = 20_000
/** Acknowledge after this many messages or milliseconds, unless another frame does it before. */
const ACK_EVERY = 8
const ACK_DELAY = 500
/** Messages waiting for acknowledgement; a session that falls further behind is given up. */
const OUTBOX_MOST = 1024
/** Requests remembered to know what an `error` is about. */
const RECENT_MOST = 64

type Typed<M, T> = Extract<M, { type: T }>
/** About the socket itself: never numbered. */
type Unnumbered = 'hello' | 'welcome' | 'ack' | 'ping' | 'pong' | 'refused'
export type Welcome = Typed<ServerMessage, 'welcome'>
export type Request = Exclude<ClientMessage, { type: Unnumbered }>
export type Notice = Exclude<ServerMessage, { type: Unnumbered }>

/** A session, so that another page of the same tab can go on with it. */
export interface StoredSession {
  readonly session: string
  /** The highest number received. */
  readonly received: number
  /** The number of the next message. */
  readonly next: number
  readonly outbox: readonly Numbered[]
  /** Seconds for which it can be resumed. */
  readonly resumeSeconds: number
  /** When it can no longer be resumed, ms since the epoch. */
  readonly until: number
}
interface Numbered { readonly seq: number; readonly message: Request }

export interface SignalEvents {
  link(link: ServerLink): void
  /** A socket is up; `lost` if a session went before and is gone. */
  welcome(welcome: Welcome, lost: boolean): void
  /** A numbered message, once and in order; for an `error` with the request it is about, if that was lately. */
  notice(notice: Notice, about: Request | null): void
  /** The identity to present next time. */
  identity(identity: string): void
  /** The identity that was presented is not valid (any more). */
  identityRefused(): void
}

export interface Credentials {
  readonly name: string | null
  readonly identity: string | null
  /** A join token that an application signed. */
  readonly token?: string | null
}

type State =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'opening'; readonly socket: SocketLike; readonly giveUp: () => void }
  | { readonly kind: 'open'; readonly socket: SocketLike }
  | { readonly kind: 'waiting'; readonly cancel: () => void }

export class Signal {
  /** Frames that were not what the protocol says: dropped. */
  malformed = 0
  /** The name that the last `hello` said. */
  saidName: string | null = null
  private state: State = { kind: 'stopped' }
  private session: { readonly name: string; readonly resumeSeconds: number } | null = null
  private credentials: Credentials = { name: null, identity: null }
  private attempt = 0
  private next = 1
  private received = 0
  private outbox: Numbered[] = []
  private recent: readonly Numbered[] = []
  private unacknowledged = 0
  private pingEvery = 20_000
  private cancelAck: (() => void) | null = null
  private cancelPing: (() => void) | null = null
  private cancelProbe: (() => void) | null = null

  constructor(
    private readonly environment: Pick<Environment, 'clock' | 'random' | 'socket'>,
    private readonly url: string,
    private readonly events: SignalEvents,
  ) {}

  /** Connects, or goes on with a stored session. Called again, it takes the new credentials for the next socket. */
  start(credentials: Credentials, stored: StoredSession | null = null): void {
    this.credentials = credentials
    if (this.state.kind !== 'stopped') return
    if (stored !== null && stored.until > this.clock.now()) {
      this.session = { name: stored.session, resumeSeconds: stored.resumeSeconds }
      this.next = stored.next
      this.received = stored.received
      this.outbox = [...stored.outbox]
    }
    this.attempt = 0
    this.open()
  }

  /** Signs off: with code 1000 the server ends the session at once; any other close leaves it to be resumed. */
  stop(): void {
    this.abandon(1000)
    this.session = null
    this.state = { kind: 'stopped' }
    this.events.link({ kind: 'offline' })
  }

  /** Sends a numbered message, now or as soon as there is a socket; returns its number. */
  send(message: Request): number {
    const seq = this.next++
    this.outbox.push({ seq, message })
    this.recent = [...this.recent.slice(1 - RECENT_MOST), { seq, message }]
    if (this.outbox.length > OUTBOX_MOST) this.session = null
    if (this.state.kind === 'open') this.write(this.state.socket, message, seq)
    return seq
  }

  /** Tries at once instead of waiting, or makes sure that a socket that looks open still is. */
  wake(): void {
    switch (this.state.kind) {
      case 'waiting':
        this.state.cancel()
        this.open()
        break
      case 'open':
        this.probe(PROBE_TIMEOUT)
        break
      case 'opening':
      case 'stopped':
        break
    }
  }

  /** What another page needs to go on with this session; null before the first welcome. */
  store(): StoredSession | null {
    if (this.session === null) return null
    return {
      session: this.session.name,
      received: this.received,
      next: this.next,
      outbox: this.outbox,
      resumeSeconds: this.session.resumeSeconds,
      until: this.clock.now() + this.session.resumeSeconds * 1000,
    }
  }

  private get clock(): Clock { return this.environment.clock }

  private open(): void {
    this.events.link(this.attempt === 0 ? { kind: 'connecting' } : { kind: 'reconnecting', attempt: this.attempt, nextTry: this.clock.now() })
    const socket = this.environment.socket(this.url)
    const giveUp = this.clock.after(OPENING_TIMEOUT, () => this.lostSocket(socket))
    this.state = { kind: 'opening', socket, giveUp }
    socket.onopen = () => {
      const { name, identity, token } = this.credentials
      this.saidName = name
      const resume = this.session === null ? null : { session: this.session.name, received: this.received }
      // A session that goes on needs no token: one for a single visit is not used up by it.
      const invited = token && resume === null ? { token } : {}
      this.write(socket, { type: 'hello', protocol: VERSION, name, identity, ...invited, conferences: true, resume })
    }
    socket.onmessage = (event) => this.frame(socket, event.data)
    socket.onclose = () => this.lostSocket(socket)
  }

  private write(socket: SocketLike, message: ClientMessage, seq?: number): void {
    // `hello` says what was received in `resume`; the number would mean nothing before the server knows the session.
    const frame: ClientFrame = message.type === 'hello' ? message : { ...(seq === undefined ? {} : { seq }), ack: this.received, ...message }
    if (message.type !== 'hello') this.acknowledged()
    socket.send(JSON.stringify(frame))
  }

  private frame(socket: SocketLike, data: unknown): void {
    if (this.state.kind !== 'opening' && this.state.kind !== 'open') return
    if (this.state.socket !== socket) return
    const frame = parseFrame(data)
    if (frame === null) {
      this.malformed++
      return
    }
    this.cancelProbe?.()
    this.cancelProbe = null
    if (frame.ack !== undefined) this.forget(frame.ack)
    switch (frame.type) {
      case 'welcome': return this.welcomed(socket, frame)
      case 'refused': return this.refused(frame.code, frame.message)
      case 'ack':
      case 'pong':
        return
      default: return this.numbered(socket, frame.seq, frame)
    }
  }

  private welcomed(socket: SocketLike, welcome: Welcome): void {
    if (this.state.kind !== 'opening') return
    this.state.giveUp()
    this.state = { kind: 'open', socket }
    const lost = this.session !== null && !welcome.resumed
    if (lost) this.outbox = []
    if (!welcome.resumed) {
      this.received = 0
      this.outbox = this.outbox.map(({ message }, index) => ({ seq: index + 1, message }))
      this.next = this.outbox.length + 1
      this.recent = [...this.outbox]
    } else {
      this.forget(welcome.received)
      this.next = Math.max(this.next, welcome.received + 1)
    }
    this.session = { name: welcome.session, resumeSeconds: welcome.resumeTimeout }
    this.credentials = { ...this.credentials, identity: welcome.identity }
    this.attempt = 0
    this.pingEvery = Math.max(1000, (welcome.idleTimeout * 1000) / 2.5)
    for (const { seq, message } of this.outbox) this.write(socket, message, seq)
    this.schedulePing()
    this.events.identity(welcome.identity)
    this.events.link({ kind: 'online', draining: welcome.draining })
    this.events.welcome(welcome, lost)
  }

  private numbered(socket: SocketLike, seq: number | undefined, notice: Notice): void {
    if (seq === undefined || this.state.kind !== 'open') {
      this.malformed++
      return
    }
    if (seq <= this.received) return
    if (seq > this.received + 1) {
      // A gap cannot happen on one socket; a new one makes the server send again what is missing.
      this.malformed++
      this.lostSocket(socket)
      return
    }
    this.received = seq
    const about = notice.type === 'error' ? this.recent.find((request) => request.seq === notice.about) : undefined
    this.events.notice(notice, about?.message ?? null)
    this.owe()
  }

  private refused(code: Refusal, message: string): void {
    this.abandon()
    if (code === 'identity' && this.credentials.identity !== null) {
      this.session = null
      this.credentials = { ...this.credentials, identity: null }
      this.events.identityRefused()
      if (this.credentials.name !== null) return this.open()
    }
    if (code === 'token-expired' && this.credentials.token && this.credentials.identity !== null) {
      // It was good when we came: we are who it said, and our ticket leads us back.
      this.credentials = { ...this.credentials, token: null }
      return this.open()
    }
    if (code === 'limit') return this.retryIn(RETRY_LIMITED)
    if (code === 'replaced') this.session = null
    this.state = { kind: 'stopped' }
    this.events.link({ kind: 'refused', code, message })
  }

  private lostSocket(socket: SocketLike): void {
    if (this.state.kind !== 'opening' && this.state.kind !== 'open') return
    if (this.state.socket !== socket) return
    this.abandon()
    const most = Math.min(RETRY_MOST, RETRY_FIRST * 2 ** Math.min(this.attempt, 10))
    // Half of it by chance, so that the clients of a restarted server do not come back all at once.
    this.retryIn(randomBetween(this.environment, most / 2, most))
  }

  private retryIn(ms: number): void {
    this.attempt++
    this.state = { kind: 'waiting', cancel: this.clock.after(ms, () => this.open()) }
    this.events.link({ kind: 'reconnecting', attempt: this.attempt, nextTry: this.clock.now() + ms })
  }

  /** Leaves the socket and every timer that belongs to it. */
  private abandon(code?: number): void {
    this.acknowledged()
    this.cancelPing?.()
    this.cancelProbe?.()
    this.cancelPing = this.cancelProbe = null
    if (this.state.kind === 'waiting') this.state.cancel()
    if (this.state.kind === 'opening') this.state.giveUp()
    if (this.state.kind !== 'opening' && this.state.kind !== 'open') return
    const { socket } = this.state
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.close(code)
  }

  private forget(upTo: number): void {
    this.outbox = this.outbox.filter(({ seq }) => seq > upTo)
  }

  private owe(): void {
    if (++this.unacknowledged >= ACK_EVERY) return this.acknowledge()
    this.cancelAck ??= this.clock.after(ACK_DELAY, () => this.acknowledge())
  }

  private acknowledge(): void {
    if (this.unacknowledged > 0 && this.state.kind === 'open') this.write(this.state.socket, { type: 'ack' })
  }

  private acknowledged(): void {
    this.unacknowledged = 0
    this.cancelAck?.()
    this.cancelAck = null
  }

  private schedulePing(): void {
    this.cancelPing?.()
    this.cancelPing = this.clock.after(this.pingEvery, () => {
      this.probe(PONG_TIMEOUT)
      this.schedulePing()
    })
  }

  /** Sends a `ping`; a socket that stays silent for `timeout` ms is dead, whatever the browser says. */
  private probe(timeout: number): void {
    if (this.state.kind !== 'open') return
    const { socket } = this.state
    this.write(socket, { type: 'ping' })
    this.cancelProbe?.()
    this.cancelProbe = this.clock.after(timeout, () => this.lostSocket(socket))
  }
}

/** A frame, if it is one: an object with a `type`, and numbers where numbers must stand. */
function parseFrame(data: unknown): ServerFrame | null {
  if (typeof data !== 'string') return null
  try {
    const frame: unknown = JSON.parse(data)
    if (typeof frame !== 'object' || frame === null || !('type' in frame) || typeof frame.type !== 'string') return null
    const { seq, ack } = frame as { seq?: unknown; ack?: unknown }
    if (seq !== undefined && !Number.isSafeInteger(seq)) return null
    if (ack !== undefined && !Number.isSafeInteger(ack)) return null
    return frame as ServerFrame
  } catch {
    return null
  }
}
