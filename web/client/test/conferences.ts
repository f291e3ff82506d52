/**
 * The server's part in rooms, for tests: it says what docs/protocol.md says, answers offers with peer connections in
 * memory, and forwards what is written. What it shows in a slot is decoded there at once.
 */
import type { Clock } from '../src/environment.js'
import type { Breakout, ClientMessage, Knock, Media, Member, Recording, Role, ServerMessage, Want } from '../src/protocol.js'
import { FakePeerConnection, type FakeNetwork } from './fakes.js'
import type { CallState, ConferenceServer, Rendezvous, Sent, Session } from './rendezvous.js'

interface Seat {
  member: Member
  session: Session
  ticket: string
  pc: FakePeerConnection | null
  layout: readonly (Want | null)[]
  /** The client's sections that receive pictures. */
  slots: readonly string[]
}

interface Conference {
  readonly id: string
  readonly room: string
  seats: Seat[]
  lobby: boolean
  recording: Recording | null
  locked: boolean
  knocking: { knock: Knock; session: Session; media: Media }[]
  count: number
  /** The call of two that it was, until that has ended. */
  call: CallState | null
  /** The call of two that it becomes. */
  next: string | null
  /** The main room's conference, if this is a group's. */
  main?: Conference
  groups?: Conference[]
}

/** How long two remain before they are put through to each other, and how long a call that moved lasts at most. */
const BACK_AFTER = 2_000
const MOVE_AT_MOST = 10_000

export class Conferences implements ConferenceServer {
  /** Whether anything is shown: a test may hold it back. */
  forwarding = true
  /** What becomes of a message from one member to another on its way through a server that lies or loses: null is lost. */
  tamper: ((message: Uint8Array<ArrayBuffer>, from: string, to: string) => Uint8Array<ArrayBuffer> | null) | null = null
  /** What members said to each other, as the server saw it. */
  readonly forwarded: Uint8Array[] = []
  /** What they whispered, likewise. */
  readonly whispers: string[] = []
  /** How many may come in. */
  most = 100
  all: Conference[] = []
  private count = 0
  private tickets = new Map<string, { id: string; room: string; number: number; role: Role }>()
  private rendezvous: Rendezvous | null = null

  constructor(private readonly clock: Clock, private readonly network: FakeNetwork) {}

  restart(): void {
    for (const { seats } of this.all) for (const { pc } of seats) pc?.close()
    this.all = []
  }

  join(call: CallState, session: Session, media: Media, rendezvous: Rendezvous): void {
    this.rendezvous = rendezvous
    const conference: Conference = { id: `conference-${++this.count}`, room: call.room ?? '', seats: [], lobby: false, recording: null, locked: false, knocking: [], count: 0, call, next: null }
    this.all.push(conference)
    for (const it of [call.caller, call.callee]) if (it) this.seat(conference, it, call.media)
    this.seat(conference, session, media)
    for (const { session: it } of conference.seats) this.admit(conference, it, it === session ? null : call.id)
    this.clock.after(MOVE_AT_MOST, () => this.endCall(conference))
  }

  carryOut(session: Session, message: ClientMessage, _seq: number, rendezvous: Rendezvous): boolean {
    this.rendezvous = rendezvous
    if (message.type === 'meet') return (rendezvous.encrypted.get(message.room) ?? false) === (message.encrypted ?? false) && this.meet(session, message)
    if (message.type === 'rejoin') return this.rejoin(session, message)
    if (!('call' in message)) return false
    // Who leaves the call that is being replaced leaves both.
    const becoming = message.type === 'end' ? this.all.find(({ call }) => call?.id === message.call) : undefined
    if (becoming) return this.leaveBoth(becoming, session)
    const conference = this.all.find(({ id }) => id === message.call)
    const seat = conference?.seats.find((it) => it.session === session)
    if (!conference || !seat) return false
    switch (message.type) {
      case 'description':
        void this.answer(conference, seat, message.description.sdp ?? '')
        break
      case 'layout':
        seat.layout = message.slots
        this.show(conference, seat)
        break
      case 'sending': {
        const { microphone, camera, screen } = message
        this.change(conference, seat, { sending: { microphone, camera, screen } })
        this.tellVoices(conference)
        for (const other of conference.seats) this.show(conference, other)
        break
      }
      case 'express':
        if (typeof message.hand === 'boolean') this.change(conference, seat, { hand: message.hand })
        if (message.reaction) for (const other of conference.seats) if (other !== seat) this.tell(other, { type: 'expressed', call: conference.id, member: seat.member.number, reaction: message.reaction })
        break
      case 'moderate':
        this.moderate(conference, seat, message.action)
        break
      case 'whisper': {
        const other = conference.seats.find(({ member }) => member.number === message.to)
        this.whispers.push(message.text)
        if (other) this.tell(other, { type: 'whispered', call: conference.id, from: seat.member.number, text: message.text })
        break
      }
      case 'breakout':
        this.breakout(conference, seat, message.action)
        break
      case 'end':
        this.leave(conference, seat, 'hung-up')
        break
      default:
        return false
    }
    return true
  }

  /** Says to a member which encodings of theirs are wanted. */
  want(name: string, rids: string[]): void {
    for (const { id, seats } of this.all) for (const seat of seats) if (seat.member.person.name === name) this.tell(seat, { type: 'wanted', call: id, rids })
  }

  private breakout(from: Conference, by: Seat, action: Sent<'breakout'>['action']): void {
    const main = from.main ?? from
    if (action.kind === 'start') {
      main.groups = action.groups.map(() => ({ ...main, id: `group-${++this.count}`, seats: [], main, groups: [], knocking: [] }))
      this.names = action.groups.map(({ name }) => name)
      this.all.push(...main.groups)
      action.groups.forEach(({ members }, index) => { for (const number of members) this.move(number, main, main.groups?.[index] ?? main) })
    } else if (action.kind === 'go') {
      this.move(by.member.number, from, action.group === null ? main : main.groups?.[action.group - 1] ?? main)
    } else if (action.kind === 'say') {
      for (const one of [main, ...main.groups ?? []]) for (const seat of one.seats) if (seat !== by) this.tell(seat, { type: 'announced', call: one.id, from: by.member.person, text: action.text })
    } else if (action.kind === 'recall') {
      const groups = main.groups ?? []
      main.groups = []
      for (const group of groups) for (const seat of [...group.seats]) this.move(seat.member.number, group, main)
      this.all = this.all.filter((it) => !groups.includes(it))
    }
    for (const one of [main, ...main.groups ?? []]) for (const seat of one.seats) this.tell(seat, { type: 'breakout', call: one.id, breakout: this.divided(one) })
  }

  private names: readonly string[] = []

  private divided(conference: Conference): Breakout | null {
    const groups = (conference.main ?? conference).groups ?? []
    if (groups.length === 0) return null
    const at = groups.indexOf(conference) + 1 || null
    return { groups: this.names.map((name, index) => ({ number: index + 1, name })), at, yours: at, seconds: null, closing: false }
  }

  private move(number: number, from: Conference, to: Conference): void {
    const seat = from.seats.find(({ member }) => member.number === number)
    if (!seat || from === to) return
    from.seats = from.seats.filter((it) => it !== seat)
    seat.pc?.close()
    Object.assign(seat, { pc: null, layout: [], slots: [], member: { ...seat.member, connected: false } })
    for (const other of from.seats) this.tell(other, { type: 'members', call: from.id, left: [number], members: [] })
    for (const other of to.seats) this.tell(other, { type: 'members', call: to.id, left: [], members: [seat.member] })
    to.seats.push(seat)
    this.admit(to, seat.session, null, true)
  }

  private meet(session: Session, message: Sent<'meet'>): boolean {
    const conference = this.all.find(({ room }) => room === message.room)
    if (!conference) return false
    if (conference.locked || conference.seats.length >= this.most) {
      this.rendezvous?.tell(session, { type: 'error', about: session.received, code: conference.locked ? 'room-locked' : 'room-full', message: '' })
    } else if (conference.lobby) {
      conference.knocking.push({ knock: { number: ++conference.count, person: session.person }, session, media: message.media })
      this.rendezvous?.tell(session, { type: 'lobby', call: conference.id, room: conference.room })
      this.tellKnocking(conference)
    } else {
      this.seat(conference, session, message.media)
      this.admit(conference, session, null)
    }
    return true
  }

  private rejoin(session: Session, { ticket }: Sent<'rejoin'>): boolean {
    const told = this.tickets.get(ticket)
    if (!told) return false
    const conference = this.all.find(({ id }) => id === told.id) ?? { id: told.id, room: told.room, seats: [], lobby: false, recording: null, locked: false, knocking: [], count: 0, call: null, next: null }
    if (!this.all.includes(conference)) this.all.push(conference)
    const before = conference.seats.find(({ member }) => member.number === told.number)
    before?.pc?.close()
    conference.seats = conference.seats.filter((seat) => seat !== before)
    this.seat(conference, session, { audio: false, video: false }, told)
    this.admit(conference, session, null)
    return true
  }

  private seat(conference: Conference, session: Session, media: Media, told?: { number: number; role: Role }): void {
    const number = told?.number ?? ++conference.count
    conference.count = Math.max(conference.count, number)
    const member: Member = { number, person: session.person, role: told?.role ?? (conference.seats.length === 0 ? 'owner' : 'presenter'), sending: { microphone: media.audio, camera: media.video, screen: false }, hand: false, connected: false }
    const ticket = `ticket-${conference.id}-${number}`
    this.tickets.set(ticket, { id: conference.id, room: conference.room, number, role: member.role })
    conference.seats.push({ member, session, ticket, pc: null, layout: [], slots: [] })
  }

  private admit(conference: Conference, session: Session, replaces: string | null, known = false): void {
    const seat = conference.seats.find((it) => it.session === session)
    if (!seat) return
    for (const other of conference.seats) if (other !== seat && !known) this.tell(other, { type: 'member', call: conference.id, member: seat.member })
    const breakout = this.divided(conference)
    this.tell(seat, {
      type: 'conference', call: conference.id, ...(conference.main ? { main: conference.main.id } : {}), ...(breakout ? { breakout } : {}), room: conference.room, you: seat.member.number, role: seat.member.role,
      members: conference.seats.map(({ member }) => member), locked: conference.locked, lobby: conference.lobby, recording: conference.recording, encrypted: this.rendezvous?.encrypted.get(conference.room) ?? false, ticket: seat.ticket, replaces,
    })
    this.tellVoices(conference)
  }

  private async answer(conference: Conference, seat: Seat, sdp: string): Promise<void> {
    if (seat.pc === null) {
      seat.pc = new FakePeerConnection(this.network, {}, true)
      const { pc } = seat
      pc.onconnectionstatechange = () => this.connected(conference, seat, pc)
      const channel = pc.createDataChannel('room', { id: 1 })
      channel.onmessage = ({ data }) => this.forward(conference, seat, data)
    }
    await seat.pc.setRemoteDescription({ type: 'offer', sdp })
    await seat.pc.setLocalDescription()
    seat.slots = [...sdp.matchAll(/^m=video[^]*?a=mid:(\S+)\r\na=recvonly/gm)].map(([, mid = '']) => mid).filter((mid) => !sdp.includes(`a=mid:${mid}\r\na=sendonly`))
    const client = this.clientOf(seat)
    if (client) client.decoding ??= new Set()
    this.tell(seat, { type: 'description', call: conference.id, description: { type: 'answer', sdp: seat.pc.localDescription?.sdp ?? '' } })
  }

  private connected(conference: Conference, seat: Seat, pc: FakePeerConnection): void {
    if (seat.pc !== pc) return
    this.change(conference, seat, { connected: pc.connectionState === 'connected' })
    for (const other of conference.seats) this.show(conference, other)
    const two = [conference.call?.caller, conference.call?.callee]
    if (two.every((session) => conference.seats.some((it) => it.session === session && it.member.connected))) this.endCall(conference)
  }

  private forward(conference: Conference, from: Seat, data: unknown): void {
    const bytes = new Uint8Array(data as ArrayBuffer)
    const message = new Uint8Array(bytes.length + 4)
    new DataView(message.buffer).setUint32(0, from.member.number)
    message.set(bytes, 4)
    this.forwarded.push(message)
    for (const { pc, member } of conference.seats) {
      const channel = pc === from.pc ? undefined : pc?.channels[0]
      const sent = this.tamper ? this.tamper(message, from.member.person.name, member.person.name) : message
      if (channel?.readyState === 'open' && sent) channel.send(sent)
    }
  }

  /** Shows a member what they want and what is sent. */
  private show(conference: Conference, seat: Seat): void {
    if (!this.forwarding) return
    const client = this.clientOf(seat)
    seat.layout.forEach((want, slot) => {
      const source = conference.seats.find(({ member }) => member.number === want?.member)?.member
      const mid = seat.slots[slot]
      if (!want || !source?.sending[want.source] || !source.connected || mid === undefined || !client || client.decoding?.has(`${mid} ${want.member}`)) return
      client.decoding?.add(mid).add(`${mid} ${want.member}`)
      this.tell(seat, { type: 'shown', call: conference.id, slot, source: { member: want.member, source: want.source } })
    })
  }

  private clientOf(seat: Seat): FakePeerConnection | undefined {
    return this.network.find(fragmentOf(seat.pc?.remoteDescription?.sdp ?? ''))
  }

  private moderate(conference: Conference, by: Seat, action: Sent<'moderate'>['action']): void {
    const target = 'member' in action ? conference.seats.find(({ member }) => member.number === action.member) : undefined
    switch (action.kind) {
      case 'mute': return void (target && this.tell(target, { type: 'muted', call: conference.id, by: by.member.number }))
      case 'remove': return void (target && this.leave(conference, target, 'removed'))
      case 'promote':
        if (!target) return
        this.change(conference, target, { role: 'owner' })
        return this.tell(target, { type: 'role', call: conference.id, role: 'owner', ticket: target.ticket })
      case 'record':
        conference.recording = action.on ? { id: 'recording', by: by.member.person, seconds: 0, bytes: 0 } : null
        for (const seat of conference.seats) this.tell(seat, { type: 'recording', call: conference.id, recording: conference.recording })
        return
      case 'lobby':
      case 'lock':
        conference[action.kind === 'lock' ? 'locked' : 'lobby'] = action.on
        for (const seat of conference.seats) this.tell(seat, { type: 'settings', call: conference.id, locked: conference.locked, lobby: conference.lobby })
        return
      case 'admit':
      case 'deny': {
        const found = conference.knocking.find(({ knock }) => knock.number === action.member)
        if (!found) return
        conference.knocking = conference.knocking.filter((it) => it !== found)
        this.tellKnocking(conference)
        if (action.kind === 'deny') return this.rendezvous?.tell(found.session, { type: 'ended', call: conference.id, reason: 'declined' })
        this.seat(conference, found.session, found.media, { number: found.knock.number, role: 'presenter' })
        return this.admit(conference, found.session, null)
      }
      case 'end':
        for (const seat of [...conference.seats]) this.leave(conference, seat, 'closed')
        return
      case 'mute-all':
      case 'demote':
        return
    }
  }

  private leave(conference: Conference, seat: Seat, reason: 'hung-up' | 'removed' | 'closed'): void {
    seat.pc?.close()
    conference.seats = conference.seats.filter((it) => it !== seat)
    if (reason !== 'hung-up') this.tell(seat, { type: 'ended', call: conference.id, reason })
    for (const other of conference.seats) this.tell(other, { type: 'member-left', call: conference.id, number: seat.member.number, reason })
    if (conference.seats.length === 0) this.all = this.all.filter((it) => it !== conference)
    if (conference.seats.length !== 2 || conference.next !== null) return
    this.clock.after(BACK_AFTER, () => {
      const [first, second] = conference.seats
      if (!first || !second || conference.seats.length !== 2) return
      conference.next = `back-${++this.count}`
      this.rendezvous?.between(conference.next, first.session, second.session, conference.room, conference.id)
    })
  }

  private leaveBoth(conference: Conference, session: Session): boolean {
    const seat = conference.seats.find((it) => it.session === session)
    if (seat) this.leave(conference, seat, 'hung-up')
    conference.call = null
    return false
  }

  private endCall(conference: Conference): void {
    if (conference.call) this.rendezvous?.moved(conference.call)
    conference.call = null
  }

  private change(conference: Conference, seat: Seat, change: Partial<Member>): void {
    seat.member = { ...seat.member, ...change }
    for (const other of conference.seats) {
      // In a large conference, which begins early here, changes come together with others.
      const large = conference.seats.length > 3
      const members = conference.seats.map(({ member }) => member)
      this.tell(other, large ? { type: 'members', call: conference.id, left: [], members } : { type: 'member', call: conference.id, member: seat.member })
    }
  }

  private tellVoices(conference: Conference): void {
    for (const seat of conference.seats) {
      const slots = conference.seats.filter((it) => it !== seat && it.member.sending.microphone).map(({ member }) => member.number)
      this.tell(seat, { type: 'voices', call: conference.id, slots })
    }
  }

  private tellKnocking(conference: Conference): void {
    for (const seat of conference.seats) if (seat.member.role === 'owner') this.tell(seat, { type: 'knocking', call: conference.id, people: conference.knocking.map(({ knock }) => knock) })
  }

  private tell(seat: Seat, message: ServerMessage): void {
    this.rendezvous?.tell(seat.session, message)
  }
}

function fragmentOf(sdp: string): string {
  return /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1] ?? ''
}
