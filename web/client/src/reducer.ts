/** Model and event make the next model. Nothing else changes a model, and one event makes one. */
import { NO_TRUST } from './e2ee/exchange.js'
import type { Call, Capture, Devices, Ending, Model, RoomCall, RunningCall, ServerLink } from './model.js'
import type { ErrorCode, Person } from './protocol.js'
import { UNKNOWN } from './quality.js'
import { advanceRoom, express, roomOf } from './room.js'
import type { Notice, Request } from './signal.js'

export type Event =
  | { readonly type: 'link'; readonly link: ServerLink }
  | { readonly type: 'welcome'; readonly me: Person }
  /** A numbered message of the server; with `error` the request it is about. */
  | { readonly type: 'notice'; readonly notice: Notice; readonly about: Request | null; readonly now: number }
  | { readonly type: 'capture'; readonly source: 'camera' | 'microphone'; readonly capture: Capture }
  | { readonly type: 'devices'; readonly devices: Devices }
  /** We call, wait at a link, or take up a call after a reload. */
  | { readonly type: 'begin'; readonly call: Call }
  /** While it rings: the peer connections of both sides know each other. */
  | { readonly type: 'prepared'; readonly call: string }
  /** What happens inside a running call or a room. */
  | { readonly type: 'talk'; readonly call: string; readonly change: TalkChange }
  /** We show a feeling, or a member does without the server's knowledge. */
  | { readonly type: 'express'; readonly call: string; readonly member?: number; readonly reaction: string }
  /** We raise or lower our hand; the server tells the others. */
  | { readonly type: 'hand'; readonly call: string; readonly hand: boolean }
  /** The oldest feeling in a room has been shown long enough. */
  | { readonly type: 'fade'; readonly call: string }
  /** The pictures of the next call move: it takes the place of this one. */
  | { readonly type: 'move' }
  /** The next call cannot be: this one goes on. */
  | { readonly type: 'stay' }
  /** We end it, or it cannot go on. */
  | { readonly type: 'over'; readonly reason: Ending; readonly now: number }
  /** Back to nothing: a call put away, declined, or a link left. */
  | { readonly type: 'dismiss' }

/** A room has no `remote`, `files` or `safetyCode` of its own and is never told of them, nor a call of two of what only rooms have. */
export type TalkChange = Partial<Pick<RunningCall, 'path' | 'remote' | 'sharingScreen' | 'messages' | 'files' | 'quality' | 'safetyCode'> & Pick<RoomCall, 'encryption' | 'qualities' | 'uploadWeak'>>

/** Keys that are kept, of the rooms that were asked for last. */
const KEYS_MOST = 10

export const INITIAL: Model = {
  server: { kind: 'offline' },
  me: null,
  camera: { kind: 'off' },
  microphone: { kind: 'off' },
  devices: { cameras: [], microphones: [], speakers: [], speaker: '' },
  call: { kind: 'idle' },
  next: null,
  people: [],
  keys: [],
}

export function reduce(model: Model, event: Event): Model {
  switch (event.type) {
    case 'link': return { ...model, server: event.link }
    case 'welcome': return { ...model, me: event.me }
    case 'notice': return noticed(model, event.notice, event.about, event.now)
    case 'capture': return unmuted({ ...model, [event.source]: event.capture })
    case 'devices': return { ...model, devices: event.devices }
    case 'begin': return { ...model, call: event.call, next: null }
    case 'prepared': return prepared(model, event.call)
    case 'talk': return inside(model, event.call, (call) => talk(call, event.change))
    case 'express': return inside(model, event.call, (call) => (call.kind === 'room' ? express(call, event.member ?? call.you, event.reaction) : call))
    case 'hand': return inside(model, event.call, (call) => (call.kind === 'room' ? { ...call, members: call.members.map((one) => (one.number === call.you ? { ...one, hand: event.hand } : one)) } : call))
    case 'fade': return inside(model, event.call, (call) => (call.kind === 'room' && call.reactions.length > 0 ? { ...call, reactions: call.reactions.slice(1) } : call))
    case 'move': return model.next ? { ...model, call: model.next, next: null } : model
    case 'stay': return { ...model, next: null }
    case 'over': return { ...model, call: ended(model.call, event.reason, event.now), next: null }
    case 'dismiss': return { ...model, call: { kind: 'idle' }, next: null }
  }
}

/** The id of the call that goes on; null if there is none. */
export function callId(call: Call): string | null {
  switch (call.kind) {
    case 'outgoing':
    case 'incoming':
    case 'running':
    case 'lobby':
    case 'room':
      return call.id
    case 'idle':
    case 'waiting':
    case 'ended':
      return null
  }
}

/** The link of a call, if it has a key. */
export function linkOf(call: Pick<RunningCall, 'room' | 'key'> | null): { readonly room: string; readonly key: string } | null {
  return call?.room && call.key !== null ? { room: call.room, key: call.key } : null
}

/** Whether a new call can begin. */
export function isFree(call: Call): boolean {
  return call.kind === 'idle' || call.kind === 'ended'
}

function noticed(model: Model, notice: Notice, about: Request | null, now: number): Model {
  switch (notice.type) {
    case 'renamed': return { ...model, me: notice.me }
    case 'people': return { ...model, people: notice.people }
    case 'draining': return model.server.kind === 'online' ? { ...model, server: { kind: 'online', draining: true } } : model
    case 'error': return failed(model, notice.code, about, now)
    case 'ice-servers':
    case 'whispered':
      return model
    case 'key': {
      const others = model.keys.filter(({ room, door }) => room !== notice.room || door !== notice.door)
      return { ...model, keys: [...others.slice(1 - KEYS_MOST), { room: notice.room, door: notice.door, key: notice.key, expires: notice.expires * 1000 }] }
    }
    case 'started': return started(model, notice, now)
    case 'conference': return conference(model, notice, now)
    case 'ended': return over(model, notice, now)
    case 'peer': return inside(model, notice.call, (call) => (call.kind === 'running' ? { ...call, peerPresent: notice.present } : call))
    case 'opened': return inside(model, notice.call, (call) => (call.kind === 'running' ? { ...call, room: notice.room } : call))
    case 'knocking':
    case 'member':
    case 'members':
    case 'member-left':
    case 'voices':
    case 'speaking':
    case 'shown':
    case 'wanted':
    case 'expressed':
    case 'muted':
    case 'role':
    case 'settings':
    case 'recording':
    case 'watchers':
    case 'unplayable':
    case 'paused':
    case 'breakout':
    case 'announced':
      return inside(model, notice.call, (call) => (call.kind === 'room' ? advanceRoom(call, notice, now) : call))
    case 'ringing':
    case 'incoming':
    case 'waiting':
    case 'lobby':
    case 'description':
    case 'candidate': {
      const call = advance(model.call, notice)
      return call === model.call ? model : { ...model, call }
    }
  }
}

type CallNotice = Extract<Notice, { type: 'ringing' | 'incoming' | 'waiting' | 'lobby' | 'description' | 'candidate' }>

function advance(call: Call, notice: CallNotice): Call {
  switch (notice.type) {
    case 'ringing':
      return call.kind === 'outgoing' && call.id === notice.call ? { ...call, person: notice.to, ringing: true } : call
    case 'incoming':
      // Who merely waits at a link can be called; the client leaves the link then.
      return isFree(call) || call.kind === 'waiting' ? { kind: 'incoming', id: notice.call, from: notice.from, media: notice.media } : call
    case 'lobby':
      return call.kind === 'waiting' && call.room === notice.room ? { kind: 'lobby', id: notice.call, room: notice.room, key: call.key } : call
    case 'waiting':
    case 'description':
    case 'candidate':
      return call
  }
}

function started(model: Model, notice: Extract<Notice, { type: 'started' }>, now: number): Model {
  const { call } = model
  if (call.kind === 'running' && call.id === notice.call) return { ...model, call: { ...call, peerPresent: true } }
  if (call.kind === 'room' && notice.replaces === call.id) return { ...model, next: { ...running(notice, call.since), room: call.room, key: call.key, sharingScreen: call.sharingScreen } }
  // An outgoing call may start under another id: the two invited each other at once, and theirs goes on (`merged`).
  const expected = call.kind === 'waiting' || call.kind === 'lobby' || call.kind === 'outgoing' || (call.kind === 'incoming' && call.id === notice.call)
  if (!expected) return model
  const { room, key } = call.kind === 'waiting' || call.kind === 'lobby' ? call : { room: null, key: null }
  return { ...model, call: { ...running(notice, now), room, key } }
}

function conference(model: Model, notice: Extract<Notice, { type: 'conference' }>, now: number): Model {
  const { call, next } = model
  if (next?.kind === 'room' && next.id === notice.call) return { ...model, next: roomOf(notice, next, next.key, now) }
  switch (call.kind) {
    case 'running': return notice.replaces === call.id ? { ...model, next: roomOf(notice, call, call.key, now) } : model
    // A group or the main room takes the place of the one before.
    case 'room': return (notice.main ?? notice.call) === call.main ? { ...model, next: null, call: roomOf(notice, call, call.key, now) } : model
    case 'waiting':
    case 'lobby':
      return { ...model, call: roomOf(notice, null, call.key, now) }
    case 'idle':
    case 'outgoing':
    case 'incoming':
    case 'ended':
      return model
  }
}

function over(model: Model, { call: id, reason }: Extract<Notice, { type: 'ended' }>, now: number): Model {
  if (model.next?.id === id) return { ...model, next: null }
  // The server is done with a call that has moved, or the other has left it; we go on to the next all the same.
  if (callId(model.call) !== id || reason === 'merged' || (reason === 'moved' && model.next !== null)) return model
  if (model.next !== null && model.call.kind === 'running') return { ...model, call: { ...model.call, path: 'reconnecting' } }
  return { ...model, call: ended(model.call, reason === 'moved' ? 'lost' : reason, now), next: null }
}

function running(notice: Extract<Notice, { type: 'started' }>, since: number): RunningCall {
  return {
    kind: 'running',
    id: notice.call,
    room: null,
    key: null,
    peer: notice.peer,
    since,
    path: 'connecting',
    peerPresent: true,
    remote: { camera: notice.media.video, microphone: notice.media.audio, screen: false },
    sharingScreen: false,
    messages: [],
    files: [],
    quality: UNKNOWN,
    safetyCode: null,
  }
}

function prepared(model: Model, id: string): Model {
  const { call } = model
  return (call.kind === 'outgoing' || call.kind === 'incoming') && call.id === id && !call.prepared ? { ...model, call: { ...call, prepared: true } } : model
}

/** Changes the running call or the room of that id, be it this call or the next. */
function inside(model: Model, id: string, change: (call: RunningCall | RoomCall) => RunningCall | RoomCall): Model {
  const { call, next } = model
  if (next?.id === id) return { ...model, next: change(next) }
  if ((call.kind !== 'running' && call.kind !== 'room') || call.id !== id) return model
  const changed = change(call)
  return changed === call ? model : { ...model, call: changed }
}

function talk(call: RunningCall | RoomCall, change: TalkChange): RunningCall | RoomCall {
  const next = { ...call, ...change }
  // Numbers of a path that does not carry anything say nothing.
  return next.path === 'reconnecting' ? { ...next, quality: { ...next.quality, verdict: 'lost', bitrateIn: 0, bitrateOut: 0 } } : next
}

/** Who has unmuted again is no longer muted by anybody. */
function unmuted(model: Model): Model {
  const { microphone, call } = model
  if (call.kind !== 'room' || call.mutedBy === null || microphone.kind !== 'on' || microphone.muted) return model
  return { ...model, call: { ...call, mutedBy: null } }
}

/** A request that the server did not carry out ends the call that it was to begin. */
function failed(model: Model, code: ErrorCode, about: Request | null, now: number): Model {
  const { call } = model
  const mine =
    about !== null &&
    ((about.type === 'invite' && call.kind === 'outgoing' && call.id === about.call) ||
      (about.type === 'accept' && call.kind === 'incoming' && call.id === about.call) ||
      (about.type === 'meet' && (call.kind === 'waiting' || call.kind === 'lobby') && call.room === about.room))
  return mine ? { ...model, call: ended(call, refusal(code, call), now) } : model
}

function refusal(code: ErrorCode, call: Call): Ending {
  if (code === 'encryption') return call.kind === 'waiting' && call.key !== null ? 'not-encrypted' : 'encrypted'
  return code === 'room-full' || code === 'room-locked' || code === 'needs-token' ? code : 'failed'
}

function ended(call: Call, reason: Ending, now: number): Call {
  const seconds = (since: number) => Math.max(0, Math.round((now - since) / 1000))
  switch (call.kind) {
    case 'outgoing': return { kind: 'ended', person: call.person, to: call.to, room: null, key: null, reason, seconds: 0 }
    case 'incoming': return { kind: 'ended', person: call.from, to: call.from.name, room: null, key: null, reason, seconds: 0 }
    case 'waiting':
    case 'lobby':
      return { kind: 'ended', person: null, to: '', room: call.room, key: call.key, reason, seconds: 0 }
    case 'running': return { kind: 'ended', person: call.peer, to: call.peer.name, room: null, key: null, reason, seconds: seconds(call.since) }
    case 'room': return { kind: 'ended', person: null, to: '', room: call.room, key: call.key, reason, seconds: seconds(call.since) }
    case 'idle':
    case 'ended':
      return call
  }
}

/** The call as it stands when another page takes it up. */
export function taken(call: Call): Call {
  switch (call.kind) {
    case 'running': return { ...call, path: 'reconnecting', safetyCode: null }
    case 'room': return { ...call, path: 'reconnecting', speaking: [], shown: [], unplayable: [], paused: {}, voices: [], reactions: [], qualities: {}, encryption: call.key === null ? null : NO_TRUST }
    default: return call
  }
}
