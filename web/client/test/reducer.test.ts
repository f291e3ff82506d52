/** The states of a call: every kind of call against every message, in one table. */
import { expect, test } from 'vitest'
import type { Call, Model } from '../src/model.js'
import type { Person } from '../src/protocol.js'
import { INITIAL, reduce } from '../src/reducer.js'
import { UNKNOWN } from '../src/quality.js'
import type { Notice, Request } from '../src/signal.js'

const bob: Person = { id: 'b', name: 'Bob', verified: false }
const media = { audio: true, video: false }
const NOW = 61_000

const calls = {
  idle: { kind: 'idle' },
  outgoing: { kind: 'outgoing', id: 'c', to: 'bob', person: null, ringing: false },
  ringing: { kind: 'outgoing', id: 'c', to: 'bob', person: bob, ringing: true },
  incoming: { kind: 'incoming', id: 'c', from: bob, media },
  waiting: { kind: 'waiting', key: null, room: 'garden' },
  running: {
    kind: 'running', id: 'c', room: null, key: null, peer: bob, since: 1_000, path: 'connected', peerPresent: true, remote: { camera: false, microphone: true, screen: false },
    sharingScreen: false, messages: [], files: [], quality: UNKNOWN, safetyCode: null,
  },
  ended: { kind: 'ended', person: bob, to: 'Bob', room: null, key: null, reason: 'busy', seconds: 0 },
} satisfies Record<string, Call>
type Name = keyof typeof calls

const started = (call: string): Notice => ({ type: 'started', call, peer: bob, media, polite: true, ticket: 't', description: null, rejoined: false })
const over = (call: string, reason: Extract<Notice, { type: 'ended' }>['reason'] = 'hung-up'): Notice => ({ type: 'ended', call, reason })

/** What becomes of each call; a name stands for that call unchanged, a pattern for what must be in it. */
const table: [string, Notice, Partial<Record<Name, object>>][] = [
  ['ringing', { type: 'ringing', call: 'c', to: bob, timeout: 45 }, { outgoing: calls.ringing, ringing: calls.ringing }],
  ['ringing of another call', { type: 'ringing', call: 'x', to: bob, timeout: 45 }, {}],
  ['incoming', { type: 'incoming', call: 'n', from: bob, media, timeout: 45 }, { idle: { kind: 'incoming', id: 'n', from: bob }, ended: { kind: 'incoming', id: 'n' }, waiting: { kind: 'incoming', id: 'n' } }],
  ['started', started('c'), {
    outgoing: { kind: 'running', id: 'c', peer: bob, since: NOW, path: 'connecting', remote: { camera: false, microphone: true, screen: false } },
    ringing: { kind: 'running' }, incoming: { kind: 'running' }, waiting: { kind: 'running', id: 'c' }, running: calls.running,
  }],
  ['started under another id', started('x'), { outgoing: { kind: 'running', id: 'x' }, ringing: { kind: 'running', id: 'x' }, waiting: { kind: 'running', id: 'x' } }],
  ['the other is away', { type: 'peer', call: 'c', present: false }, { running: { kind: 'running', peerPresent: false } }],
  ['the other of another call is away', { type: 'peer', call: 'x', present: false }, {}],
  ['ended', over('c'), {
    outgoing: { kind: 'ended', person: null, to: 'bob', reason: 'hung-up', seconds: 0 }, ringing: { kind: 'ended', person: bob },
    incoming: { kind: 'ended', person: bob, to: 'Bob' }, running: { kind: 'ended', person: bob, to: 'Bob', reason: 'hung-up', seconds: 60 },
  }],
  ['ended for another call', over('x'), {}],
  ['ended because both called', over('c', 'merged'), {}],
  ['waiting', { type: 'waiting', room: 'garden' }, {}],
  ['description', { type: 'description', call: 'c', description: { type: 'offer', sdp: '' } }, {}],
  ['candidate', { type: 'candidate', call: 'c', candidate: null }, {}],
  ['ice-servers', { type: 'ice-servers', iceServers: [], iceLifetime: 1 }, {}],
]

const names = Object.keys(calls) as Name[]
test.each(table.flatMap(([what, notice, becomes]) => names.map((name) => [what, name, notice, becomes[name]] as const)))('%s while %s', (_, name, notice, expected) => {
  const model: Model = { ...INITIAL, call: calls[name] }
  const next = reduce(model, { type: 'notice', notice, about: null, now: NOW })
  if (expected === undefined) expect(next.call).toBe(calls[name])
  else expect(next.call).toMatchObject(expected)
})

const request: Record<'invite' | 'accept' | 'meet' | 'find', Request> = {
  invite: { type: 'invite', call: 'c', to: 'bob', media },
  accept: { type: 'accept', call: 'c', media },
  meet: { type: 'meet', room: 'garden', media },
  find: { type: 'find', request: 1, query: 'b' },
}
test.each(names.flatMap((name) => Object.entries(request).map(([about, it]) => [about, name, it] as const)))('an error about %s while %s', (about, name, it) => {
  const next = reduce({ ...INITIAL, call: calls[name] }, { type: 'notice', notice: { type: 'error', about: 1, code: 'rate-limited', message: '' }, about: it, now: NOW })
  const fails = { invite: ['outgoing', 'ringing'], accept: ['incoming'], meet: ['waiting'], find: [] as string[] }[about]
  if (fails?.includes(name)) expect(next.call).toMatchObject({ kind: 'ended', reason: 'failed' })
  else expect(next.call).toBe(calls[name])
})

test('a path that breaks has no quality', () => {
  const model: Model = { ...INITIAL, call: { ...calls.running, quality: { ...UNKNOWN, verdict: 'good', bitrateIn: 9, route: 'direct' } } }
  const next = reduce(model, { type: 'talk', call: 'c', change: { path: 'reconnecting' } })
  expect(next.call).toMatchObject({ path: 'reconnecting', quality: { verdict: 'lost', bitrateIn: 0, route: 'direct' } })
  expect(reduce(model, { type: 'talk', call: 'x', change: { path: 'reconnecting' } })).toBe(model)
})

test('draining shows only online', () => {
  const notice = { type: 'notice', notice: { type: 'draining' }, about: null, now: NOW } as const
  expect(reduce({ ...INITIAL, server: { kind: 'online', draining: false } }, notice).server).toEqual({ kind: 'online', draining: true })
  expect(reduce(INITIAL, notice).server).toEqual({ kind: 'offline' })
})

test('what is not touched stays the same object', () => {
  const model: Model = { ...INITIAL, call: calls.running }
  const next = reduce(model, { type: 'link', link: { kind: 'connecting' } })
  expect(next.call).toBe(model.call)
  expect(next.devices).toBe(model.devices)
})
