/**
 * A server of Visavis signalling in one small class, for tests: it says what docs/protocol.md says, to sockets that
 * are mere functions. It has no limits, no accounts and no time: nothing expires unless a test makes it.
 */
import type { Candidate, ClientFrame, ClientMessage, Description, Media, Person, ServerFrame, ServerMessage } from '../src/protocol.js'

export interface Line {
  /** A frame from the client. */
  receive(text: string): void
  /** The socket is gone. */
  cut(): void
}

export interface Session {
  readonly name: string
  /** Whether the client knows conferences. */
  conferences: boolean
  person: Person
  line: Outlet | null
  next: number
  received: number
  outbox: ServerFrame[]
  call: CallState | null
  room: string | null
}

interface Outlet { send(text: string): void; close(): void }

export interface CallState {
  readonly id: string
  room?: string
  readonly caller: Session
  callee: Session | null
  ringing: Session[]
  media: Media
  on: boolean
  /** What has passed between the caller and devices that ring. */
  early?: Early[]
  /** The device that accepted. */
  device?: number
}

/** Between the caller and one ringing device: what is kept of either. */
interface Early { readonly device: Session; readonly ofCaller: Candidate[]; readonly ofDevice: Candidate[] }

/** Devices that may say something before they accept. */
const EARLY_MOST = 3

/** Three and more. */
export interface ConferenceServer {
  /** Carries a message out if it is about a conference; false if it is not. */
  carryOut(session: Session, message: ClientMessage, seq: number, rendezvous: Rendezvous): boolean
  /** A third person comes to a call. */
  join(call: CallState, session: Session, media: Media, rendezvous: Rendezvous): void
  /** Forgets everything. */
  restart(): void
}

export type Sent<T extends ClientMessage['type']> = Extract<ClientMessage, { type: T }>

export class Rendezvous {
  /** Every message that came, for tests to look at. */
  readonly heard: ClientMessage[] = []
  /** What becomes of a call that a third person joins; without, they are refused. */
  conferences: ConferenceServer | null = null
  iceServers: { urls: string[]; username?: string; credential?: string }[] = []
  iceLifetime = 3600
  private sessions = new Map<string, Session>()
  private calls = new Map<string, CallState>()
  private waiting = new Map<string, { session: Session; media: Media }>()
  private rejoining = new Map<string, Session>()
  private count = 0

  /** A socket was opened. */
  connect(outlet: Outlet): Line {
    let session: Session | null = null
    return {
      receive: (text) => {
        const frame = JSON.parse(text) as ClientFrame
        if (frame.type === 'hello') session = this.hello(frame, outlet)
        else if (session) this.frame(session, frame)
      },
      cut: () => {
        if (session?.line !== outlet) return
        session.line = null
        this.presence(session, false)
      },
    }
  }

  /** Forgets every session and call, as a server does that starts anew; sockets are closed. */
  restart(): void {
    const lines = [...this.sessions.values()].map(({ line }) => line)
    this.sessions = new Map()
    this.calls = new Map()
    this.waiting = new Map()
    this.rejoining = new Map()
    this.conferences?.restart()
    for (const line of lines) line?.close()
  }

  /** Says to all that the server is about to stop. */
  drain(): void {
    for (const session of this.sessions.values()) this.tell(session, { type: 'draining' })
  }

  private hello(hello: Sent<'hello'>, outlet: Outlet): Session | null {
    const old = hello.resume ? this.sessions.get(hello.resume.session) : undefined
    const identity = hello.identity?.replace('identity-', '')
    if (!old && !hello.name && !identity) {
      outlet.send(JSON.stringify({ type: 'refused', code: 'name', message: 'a name is needed' }))
      outlet.close()
      return null
    }
    const number = ++this.count
    const session: Session = old ?? {
      name: `session-${number}`, conferences: false, person: { id: identity ?? `person-${number}`, name: hello.name ?? identity ?? '', verified: false },
      line: null, next: 1, received: 0, outbox: [], call: null, room: null,
    }
    session.conferences = hello.conferences ?? false
    session.line?.close()
    session.line = outlet
    this.sessions.set(session.name, session)
    const welcome: ServerMessage = {
      type: 'welcome', session: session.name, resumed: old !== undefined, received: session.received, me: session.person,
      identity: `identity-${session.person.id}`, iceServers: this.iceServers, iceLifetime: this.iceLifetime, idleTimeout: 60, resumeTimeout: 60, draining: false,
    }
    outlet.send(JSON.stringify(welcome))
    if (old && hello.resume) {
      session.outbox = session.outbox.filter(({ seq = 0 }) => seq > (hello.resume?.received ?? 0))
      for (const frame of session.outbox) outlet.send(JSON.stringify(frame))
      this.presence(session, true)
    }
    return session
  }

  private frame(session: Session, frame: ClientFrame): void {
    if (frame.ack !== undefined) session.outbox = session.outbox.filter(({ seq = 0 }) => seq > (frame.ack ?? 0))
    if (frame.type === 'ping') return void session.line?.send(JSON.stringify({ type: 'pong', ack: session.received }))
    if (frame.seq === undefined || frame.seq <= session.received) return
    if (frame.seq !== session.received + 1) throw new Error(`gap: ${frame.seq} after ${session.received}`)
    session.received = frame.seq
    const { seq, ack: _, ...message } = frame
    this.heard.push(message)
    this.carryOut(session, message, seq)
  }

  private carryOut(session: Session, message: ClientMessage, seq: number): void {
    if (this.conferences?.carryOut(session, message, seq, this)) return
    switch (message.type) {
      case 'rename':
        session.person = { ...session.person, name: message.name }
        return this.tell(session, { type: 'renamed', me: session.person })
      case 'find': {
        const found = [...this.sessions.values()].filter(({ person }) => person.name.startsWith(message.query))
        return this.tell(session, { type: 'people', request: message.request, people: found.map((it) => ({ person: it.person, present: it.line !== null, busy: it.call !== null })) })
      }
      case 'ice-servers': return this.tell(session, { type: 'ice-servers', iceServers: this.iceServers, iceLifetime: this.iceLifetime })
      case 'invite': return this.invite(session, message)
      case 'accept': return this.accept(session, message, seq)
      case 'decline': return this.decline(session, message)
      case 'end': return this.end(session, message.call)
      case 'meet': return this.meet(session, message)
      case 'leave':
        this.waiting.delete(message.room)
        return
      case 'rejoin': return this.rejoin(session, message)
      case 'description':
      case 'candidate': {
        const call = this.calls.get(message.call)
        if (call?.early && !call.on) return this.relayEarly(session, message, call.early, call)
        const other = call?.caller === session ? call.callee : call?.caller
        if (!call?.on || !other) return this.tell(session, { type: 'error', about: seq, code: 'no-such-call', message: 'no such call' })
        const { device, ...rest } = message
        if (device !== undefined && device !== call.device) return
        return this.tell(other, rest)
      }
      case 'open': {
        const call = this.calls.get(message.call)
        if (!call?.callee) return
        call.room ??= `room-${++this.count}`
        for (const it of [call.caller, call.callee]) this.tell(it, { type: 'opened', call: call.id, room: call.room, ticket: `ticket-${call.id}` })
        return
      }
      case 'hello':
      case 'ack':
      case 'ping':
      case 'layout':
      case 'sending':
      case 'moderate':
      case 'express':
        return
    }
  }

  private invite(session: Session, message: Sent<'invite'>): void {
    const theirs = session.call
    if (theirs?.ringing.includes(session) && (theirs.caller.person.name === message.to || theirs.caller.person.id === message.to)) {
      return this.merge(session, message, theirs)
    }
    const all = [...this.sessions.values()].filter(({ person }) => person.name === message.to || person.id === message.to)
    const free = all.filter((it) => it.call === null && it !== session)
    if (all.length === 0) return this.tell(session, { type: 'ended', call: message.call, reason: 'unavailable' })
    if (free.length === 0) return this.tell(session, { type: 'ended', call: message.call, reason: 'busy' })
    const call: CallState = { id: message.call, caller: session, callee: null, ringing: free, media: message.media, on: false }
    if (message.early) call.early = free.slice(0, EARLY_MOST).map((device) => ({ device, ofCaller: [], ofDevice: [] }))
    this.calls.set(call.id, call)
    for (const it of [session, ...free]) it.call = call
    for (const it of free) this.tell(it, { type: 'incoming', call: call.id, from: session.person, media: message.media, timeout: 45, ...(call.early?.some(({ device }) => device === it) ? { early: true } : {}) })
    const [first] = free
    if (first) this.tell(session, { type: 'ringing', call: call.id, to: first.person, timeout: 45 })
  }

  /** Before it is accepted descriptions and relayed candidates pass, and other candidates are kept. */
  private relayEarly(session: Session, message: Sent<'description' | 'candidate'>, early: readonly Early[], call: CallState): void {
    const number = session === call.caller ? message.device : early.findIndex(({ device }) => device === session)
    const between = early[number ?? -1]
    if (number === undefined || !between) throw new Error('nothing passes before the call is accepted')
    if (JSON.stringify(message).includes('192.0.2.') && message.type === 'description') throw new Error('an address passes before the call is accepted')
    const { device: _, ...rest } = message
    if (rest.type === 'candidate' && !rest.candidate?.candidate.includes('typ relay')) {
      if (rest.candidate !== null) (session === call.caller ? between.ofCaller : between.ofDevice).push(rest.candidate)
      return
    }
    const told = rest.type === 'candidate' && rest.candidate ? { ...rest, candidate: { ...rest.candidate, candidate: rest.candidate.candidate.replace(/ raddr .*/, '') } } : rest
    if (session === call.caller) this.tell(between.device, told)
    else this.tell(call.caller, { ...told, device: number })
  }

  /** Two invited each other: the smaller id wins, and counts as accepted by the other one. */
  private merge(session: Session, mine: Sent<'invite'>, theirs: CallState): void {
    for (const it of theirs.ringing) if (it !== session) this.release(it, theirs, 'elsewhere')
    const wins = mine.call < theirs.id
    const call: CallState = wins
      ? { id: mine.call, caller: session, callee: theirs.caller, ringing: [], media: mine.media, on: true }
      : { ...theirs, callee: session, ringing: [] }
    if (wins) for (const it of [session, theirs.caller]) this.release(it, theirs, 'merged')
    else this.tell(session, { type: 'ended', call: mine.call, reason: 'merged' })
    this.calls.delete(theirs.id)
    this.calls.set(call.id, call)
    this.start(call, mine.media, null, false)
  }

  private accept(session: Session, message: Sent<'accept'>, seq: number): void {
    const call = this.calls.get(message.call)
    if (!call || !call.ringing.includes(session)) return this.tell(session, { type: 'error', about: seq, code: 'no-such-call', message: 'no such call' })
    for (const it of call.ringing) if (it !== session) this.release(it, call, 'elsewhere')
    call.callee = session
    call.ringing = []
    const device = call.early?.findIndex((it) => it.device === session) ?? -1
    if (device >= 0) call.device = device
    this.start(call, message.media, message.description ?? null, false)
  }

  /** The callee is impolite and offers; see `started` in the protocol. */
  private start(call: CallState, media: Media, description: Description | null, rejoined: boolean, replaces?: string): void {
    const { caller, callee } = call
    if (!callee) return
    call.on = true
    caller.call = callee.call = call
    const ticket = `ticket-${call.id}`
    const more = replaces === undefined ? {} : { replaces }
    const { device } = call
    const early = !rejoined && device !== undefined ? call.early?.[device] : undefined
    const toCaller = early && device !== undefined ? { device, candidates: early.ofDevice } : {}
    const toCallee = early ? { candidates: early.ofCaller } : {}
    this.tell(caller, { type: 'started', call: call.id, peer: callee.person, media, polite: true, ticket, description, rejoined, ...toCaller, ...more })
    this.tell(callee, { type: 'started', call: call.id, peer: caller.person, media: call.media, polite: false, ticket, description: null, rejoined, ...toCallee, ...more })
  }

  private decline(session: Session, message: Sent<'decline'>): void {
    const call = this.calls.get(message.call)
    if (!call?.ringing.includes(session)) return
    session.call = null
    call.ringing = call.ringing.filter((it) => it !== session)
    if (call.ringing.length > 0) return
    this.calls.delete(call.id)
    this.release(call.caller, call, message.busy ? 'busy' : 'declined')
  }

  /** A call of two that a conference becomes. */
  between(id: string, caller: Session, callee: Session, room: string, replaces: string): void {
    const call: CallState = { id, caller, callee, ringing: [], media: { audio: true, video: true }, on: true, room }
    this.calls.set(id, call)
    this.start(call, call.media, null, false, replaces)
  }

  /** Ends a call of two that has become a conference. */
  moved(call: CallState): void {
    if (!this.calls.delete(call.id)) return
    for (const it of [call.caller, call.callee]) if (it?.call === call) this.release(it, call, 'moved')
  }

  private end(session: Session, id: string): void {
    const call = this.calls.get(id)
    if (!call) return
    this.calls.delete(id)
    const reason = call.on ? 'hung-up' : 'cancelled'
    for (const it of [call.caller, call.callee, ...call.ringing]) if (it && it !== session) this.release(it, call, reason)
    session.call = null
  }

  private release(session: Session, call: CallState, reason: Extract<ServerMessage, { type: 'ended' }>['reason']): void {
    session.call = null
    this.tell(session, { type: 'ended', call: call.id, reason })
  }

  /** Whether the links that somebody has been at hold keys. */
  readonly encrypted = new Map<string, boolean>()

  private meet(session: Session, message: Sent<'meet'>): void {
    const encrypted = message.encrypted ?? false
    if ((this.encrypted.get(message.room) ?? encrypted) !== encrypted) return this.tell(session, { type: 'error', about: session.received, code: 'encryption', message: '' })
    this.encrypted.set(message.room, encrypted)
    const running = [...this.calls.values()].find(({ room }) => room === message.room)
    if (running && this.conferences) return this.conferences.join(running, session, message.media, this)
    const first = this.waiting.get(message.room)
    if (!first || first.session === session) {
      this.waiting.set(message.room, { session, media: message.media })
      return this.tell(session, { type: 'waiting', room: message.room })
    }
    this.waiting.delete(message.room)
    const call: CallState = { id: `met-at-${message.room}-${++this.count}`, caller: first.session, callee: session, ringing: [], media: first.media, on: true, room: message.room }
    this.calls.set(call.id, call)
    this.start(call, message.media, null, false)
  }

  private rejoin(session: Session, message: Sent<'rejoin'>): void {
    const first = this.rejoining.get(message.call)
    if (!first || first === session) return void this.rejoining.set(message.call, session)
    const call: CallState = { id: message.call, caller: first, callee: session, ringing: [], media: { audio: true, video: true }, on: true }
    this.calls.set(call.id, call)
    this.start(call, call.media, null, true)
  }

  private presence(session: Session, present: boolean): void {
    const { call } = session
    const other = call?.caller === session ? call.callee : call?.caller
    if (call?.on && other) this.tell(other, { type: 'peer', call: call.id, present })
  }

  tell(session: Session, message: ServerMessage): void {
    const frame: ServerFrame = { seq: session.next++, ack: session.received, ...message }
    session.outbox.push(frame)
    session.line?.send(JSON.stringify(frame))
  }
}
