/** The session over scripted sockets: what is sent when, and every way in which a socket can fail. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { SocketLike } from '../src/environment.js'
import type { ServerLink } from '../src/model.js'
import type { ClientFrame, ServerFrame } from '../src/protocol.js'
import { Signal, type Notice } from '../src/signal.js'
import { VirtualClock } from './world.js'

class Script implements SocketLike {
  onopen: ((event: never) => unknown) | null = null
  onmessage: ((event: MessageEvent) => unknown) | null = null
  onclose: ((event: never) => unknown) | null = null
  readonly sent: ClientFrame[] = []
  closed: { code: number | undefined } | null = null
  send(data: string): void { this.sent.push(JSON.parse(data)) }
  close(code?: number): void { this.closed = { code } }
  open(): void { this.onopen?.(undefined as never) }
  say(frame: ServerFrame | string | Blob): void { this.onmessage?.({ data: typeof frame === 'object' && 'type' in frame && !(frame instanceof Blob) ? JSON.stringify(frame) : frame } as MessageEvent) }
  drop(): void { this.onclose?.(undefined as never) }
}

const welcome = (more: object = {}): ServerFrame => ({
  type: 'welcome', session: 's1', resumed: false, received: 0, me: { id: 'p', name: 'Ann', verified: false }, identity: 'i1',
  iceServers: [], iceLifetime: 600, idleTimeout: 50, resumeTimeout: 30, draining: false, ...more,
})
const people = (seq: number): ServerFrame => ({ type: 'people', seq, request: seq, people: [] })

let clock: VirtualClock
let sockets: Script[]
let links: ServerLink[]
let notices: Notice[]
let lost: boolean[]
let identities: (string | null)[]
let signal: Signal
const socket = () => sockets.at(-1) ?? new Script()
const link = () => links.at(-1)
/** Runs every timer up to `ms` from now. */
const pass = (ms: number) => {
  const end = clock.now() + ms
  clock.after(ms, () => {})
  while (clock.step(end));
}

beforeEach(() => {
  clock = new VirtualClock()
  sockets = []
  links = []
  notices = []
  lost = []
  identities = []
  const environment = {
    clock,
    random: (bytes: Uint8Array) => bytes.fill(255),
    socket: () => {
      const made = new Script()
      sockets.push(made)
      return made
    },
  }
  signal = new Signal(environment, 'ws://x', {
    link: (it) => links.push(it),
    welcome: (_, was) => lost.push(was),
    notice: (notice) => notices.push(notice),
    identity: (identity) => identities.push(identity),
    identityRefused: () => identities.push(null),
  })
})

function online(): void {
  signal.start({ name: 'Ann', identity: 'i0' })
  socket().open()
  socket().say(welcome())
}

test('hello comes first, with all that is known', () => {
  signal.start({ name: 'Ann', identity: 'i0' })
  expect(link()).toEqual({ kind: 'connecting' })
  socket().open()
  expect(socket().sent).toEqual([{ type: 'hello', protocol: 1, conferences: true, name: 'Ann', identity: 'i0', resume: null }])
  socket().say(welcome({ draining: true }))
  expect([link(), identities, lost]).toEqual([{ kind: 'online', draining: true }, ['i1'], [false]])
})

test('what was said before there was a socket goes behind the welcome, numbered from 1', () => {
  signal.start({ name: 'Ann', identity: null })
  signal.send({ type: 'ice-servers' })
  socket().open()
  expect(socket().sent.length).toBe(1)
  socket().say(welcome())
  expect(socket().sent.slice(1)).toEqual([{ type: 'ice-servers', seq: 1, ack: 0 }])
})

describe('resuming', () => {
  test('sends again what the server lacks, and says what we have', () => {
    online()
    for (const name of ['a', 'b', 'c']) signal.send({ type: 'rename', name })
    socket().say({ ...people(1), ack: 1 })
    socket().drop()
    pass(200)
    socket().open()
    expect(socket().sent[0]).toMatchObject({ resume: { session: 's1', received: 1 }, name: 'Ann', identity: 'i1' })
    socket().say(welcome({ resumed: true, received: 2 }))
    expect(socket().sent.slice(1)).toEqual([{ type: 'rename', name: 'c', seq: 3, ack: 1 }])
    expect(lost).toEqual([false, false])
  })

  test('a message that comes twice is taken once', () => {
    online()
    for (const seq of [1, 2, 2, 1, 3]) socket().say(people(seq))
    expect(notices.map((notice) => notice.type === 'people' && notice.request)).toEqual([1, 2, 3])
  })

  test('a session that is gone takes its messages with it, and numbers begin at 1', () => {
    online()
    signal.send({ type: 'rename', name: 'a' })
    socket().say(people(1))
    socket().drop()
    pass(200)
    socket().open()
    socket().say(welcome({ session: 's2' }))
    expect([lost, socket().sent.length]).toEqual([[false, true], 1])
    expect(signal.send({ type: 'ice-servers' })).toBe(1)
    socket().say(people(1))
    expect(notices.length).toBe(2)
  })

  test('from another page goes on where that one stopped', () => {
    online()
    socket().say(people(1))
    signal.send({ type: 'rename', name: 'a' })
    const stored = signal.store()
    expect(stored).toMatchObject({ session: 's1', received: 1, next: 2, until: clock.now() + 30_000 })
    const old = signal
    signal = new Signal((old as unknown as { environment: ConstructorParameters<typeof Signal>[0] }).environment, 'ws://x', (old as unknown as { events: ConstructorParameters<typeof Signal>[2] }).events)
    signal.start({ name: 'Ann', identity: 'i1' }, stored)
    socket().open()
    expect(socket().sent[0]).toMatchObject({ resume: { session: 's1', received: 1 } })
    socket().say(welcome({ resumed: true, received: 0 }))
    expect(socket().sent[1]).toEqual({ type: 'rename', name: 'a', seq: 1, ack: 1 })
  })
})

describe('trying again', () => {
  test('waits twice as long each time, up to 15 s', () => {
    signal.start({ name: 'Ann', identity: null })
    const waits: number[] = []
    for (let attempt = 1; attempt <= 9; attempt++) {
      socket().drop()
      const now = link()
      if (now?.kind !== 'reconnecting') throw new Error(now?.kind)
      expect(now.attempt).toBe(attempt)
      waits.push(now.nextTry - clock.now())
      const count = sockets.length
      pass(now.nextTry - clock.now() - 1)
      expect(sockets.length).toBe(count)
      pass(1)
      expect(sockets.length).toBe(count + 1)
    }
    expect(waits).toEqual([200, 400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000])
  })

  test('begins anew after a welcome', () => {
    online()
    socket().drop()
    expect(link()).toMatchObject({ attempt: 1 })
  })

  test('is done at once when the network comes back', () => {
    signal.start({ name: 'Ann', identity: null })
    socket().drop()
    signal.wake()
    expect(sockets.length).toBe(2)
  })

  test('a socket that does not open in 10 s is given up', () => {
    signal.start({ name: 'Ann', identity: null })
    pass(9_999)
    expect(socket().closed).toBeNull()
    pass(1)
    expect([sockets[0]?.closed !== null, link()?.kind]).toEqual([true, 'reconnecting'])
  })
})

describe('silence', () => {
  test('a ping goes every 20 s of an idle timeout of 50 s, and 8 s without an answer end the socket', () => {
    online()
    pass(19_999)
    expect(socket().sent.filter(({ type }) => type === 'ping').length).toBe(0)
    pass(1)
    expect(socket().sent.at(-1)?.type).toBe('ping')
    pass(7_999)
    expect(sockets[0]?.closed).toBeNull()
    pass(1)
    expect([sockets[0]?.closed !== null, link()?.kind]).toEqual([true, 'reconnecting'])
  })

  test('any frame is an answer', () => {
    online()
    pass(20_000)
    socket().say({ type: 'pong' })
    pass(19_999)
    expect(sockets[0]?.closed).toBeNull()
  })

  test('a page that wakes makes sure within 3 s', () => {
    online()
    signal.wake()
    expect(socket().sent.at(-1)?.type).toBe('ping')
    pass(3_000)
    expect(sockets[0]?.closed).not.toBeNull()
  })
})

describe('acknowledging', () => {
  test('every eighth message at once, the others after half a second or with the next frame', () => {
    online()
    for (let seq = 1; seq <= 8; seq++) socket().say(people(seq))
    expect(socket().sent.at(-1)).toEqual({ type: 'ack', ack: 8 })
    socket().say(people(9))
    pass(499)
    expect(socket().sent.length).toBe(2)
    pass(1)
    expect(socket().sent.at(-1)).toEqual({ type: 'ack', ack: 9 })
    socket().say(people(10))
    signal.send({ type: 'ice-servers' })
    expect(socket().sent.at(-1)).toMatchObject({ ack: 10 })
    pass(10_000)
    expect(socket().sent.filter(({ type }) => type === 'ack').length).toBe(2)
  })
})

describe('a refusal', () => {
  test.each(['version', 'malformed', 'name', 'replaced'] as const)('because of %s is final until the person acts', (code) => {
    online()
    socket().say({ type: 'refused', code, message: 'why' })
    pass(100_000)
    expect([link(), sockets.length]).toEqual([{ kind: 'refused', code, message: 'why' }, 1])
    signal.start({ name: 'Ben', identity: null })
    expect(sockets.length).toBe(2)
  })

  test('of the identity makes us a new guest', () => {
    signal.start({ name: 'Ann', identity: 'stale' })
    socket().open()
    socket().say({ type: 'refused', code: 'identity', message: '' })
    socket().open()
    expect(socket().sent[0]).toMatchObject({ name: 'Ann', identity: null })
    expect(identities).toEqual([null])
  })

  test('for too much waits 20 s', () => {
    online()
    socket().say({ type: 'refused', code: 'limit', message: '' })
    pass(19_999)
    expect(sockets.length).toBe(1)
    pass(1)
    expect(sockets.length).toBe(2)
  })
})

describe('junk', () => {
  test.each(['', '{', '[]', 'null', '{"type":1}', '{"type":"people","seq":"1"}', '{"type":"people","ack":1.5}', '{"type":"people"}'])('%j is dropped', (frame) => {
    online()
    socket().say(frame)
    expect([signal.malformed, notices.length, socket().closed]).toEqual([1, 0, null])
  })

  test('a gap in the numbers makes the server send again', () => {
    online()
    socket().say(people(1))
    socket().say(people(3))
    expect([notices.length, sockets[0]?.closed !== null]).toEqual([1, true])
    pass(200)
    socket().open()
    expect(socket().sent[0]).toMatchObject({ resume: { received: 1 } })
  })
})

test('signing off closes with 1000, which ends the session', () => {
  online()
  signal.stop()
  expect([socket().closed, link(), signal.store()]).toEqual([{ code: 1000 }, { kind: 'offline' }, null])
})
