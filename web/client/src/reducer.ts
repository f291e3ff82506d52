/** Model and event make the next model. Nothing else changes a model, and one event makes one. */
import type { Call, Capture, Devices, Model, RunningCall, ServerLink } from './model.js'
import type { EndReason, Person } from './protocol.js'
import { UNKNOWN } from './quality.js'
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
  /** What happens inside a running call. */
  | { readonly type: 'talk'; readonly call: string; readonly change: TalkChange }
  /** We end it, or it cannot go on. */
  | { readonly type: 'over'; readonly reason: Exclude<EndReason, 'merged'> | 'failed'; readonly now: number }
  /** Back to nothing: a call put away, declined, or a link left. */
  | { readonly type: 'dismiss' }

export type TalkChange = Partial<Pick<RunningCall, 'path' | 'remote' | 'sharingScreen' | 'messages' | 'files' | 'quality' | 'safetyCode'>>

export const INITIAL: Model = {
  server: { kind: 'offline' },
  me: null,
  camera: { kind: 'off' },
  microphone: { kind: 'off' },
  devices: { cameras: [], microphones: [], speakers: [], speaker: '' },
  call: { kind: 'idle' },
  people: [],
}

export function reduce(model: Model, event: Event): Model {
  switch (event.type) {
    case 'link': return { ...model, server: event.link }
    case 'welcome': return { ...model, me: event.me }
    case 'notice': return noticed(model, event.notice, event.about, event.now)
    case 'capture': return { ...model, [event.source]: event.capture }
    case 'devices': return { ...model, devices: event.devices }
    case 'begin': return { ...model, call: event.call }
    case 'talk': return talk(model, event.call, event.change)
    case 'over': return { ...model, call: ended(model.call, event.reason, event.now) }
    case 'dismiss': return { ...model, call: { kind: 'idle' } }
  }
}

/** The id of the call that goes on; null if there is none. */
export function callId(call: Call): string | null {
  switch (call.kind) {
    case 'outgoing':
    case 'incoming':
    case 'running':
      return call.id
    case 'idle':
    case 'waiting':
    case 'ended':
      return null
  }
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
    case 'error': return failed(model, about, now)
    case 'ice-servers': return model
    case 'ringing':
    case 'incoming':
    case 'started':
    case 'peer':
    case 'ended':
    case 'waiting':
    case 'description':
    case 'candidate': {
      const call = advance(model.call, notice, now)
      return call === model.call ? model : { ...model, call }
    }
  }
}

type CallNotice = Extract<Notice, { call: string } | { room: string }>

function advance(call: Call, notice: CallNotice, now: number): Call {
  switch (notice.type) {
    case 'ringing':
      return call.kind === 'outgoing' && call.id === notice.call ? { ...call, person: notice.to, ringing: true } : call
    case 'incoming':
      // Who merely waits at a link can be called; the client leaves the link then.
      return isFree(call) || call.kind === 'waiting' ? { kind: 'incoming', id: notice.call, from: notice.from, media: notice.media } : call
    case 'started': {
      if (call.kind === 'running' && call.id === notice.call) return { ...call, peerPresent: true }
      // An outgoing call may start under another id: the two invited each other at once, and theirs goes on (`merged`).
      const expected = call.kind === 'waiting' || call.kind === 'outgoing' || (call.kind === 'incoming' && call.id === notice.call)
      return expected ? running(notice, now) : call
    }
    case 'peer':
      return call.kind === 'running' && call.id === notice.call ? { ...call, peerPresent: notice.present } : call
    case 'ended':
      return callId(call) === notice.call && notice.reason !== 'merged' ? ended(call, notice.reason, now) : call
    case 'waiting':
    case 'description':
    case 'candidate':
      return call
  }
}

function running(started: Extract<Notice, { type: 'started' }>, now: number): Call {
  return {
    kind: 'running',
    id: started.call,
    peer: started.peer,
    since: now,
    path: 'connecting',
    peerPresent: true,
    remote: { camera: started.media.video, microphone: started.media.audio, screen: false },
    sharingScreen: false,
    messages: [],
    files: [],
    quality: UNKNOWN,
    safetyCode: null,
  }
}

function talk(model: Model, id: string, change: TalkChange): Model {
  const { call } = model
  if (call.kind !== 'running' || call.id !== id) return model
  const next = { ...call, ...change }
  // Numbers of a path that does not carry anything say nothing.
  if (next.path === 'reconnecting') next.quality = { ...next.quality, verdict: 'lost', bitrateIn: 0, bitrateOut: 0 }
  return { ...model, call: next }
}

/** A request that the server did not carry out ends the call that it was to begin. */
function failed(model: Model, about: Request | null, now: number): Model {
  const { call } = model
  const mine =
    about !== null &&
    ((about.type === 'invite' && call.kind === 'outgoing' && call.id === about.call) ||
      (about.type === 'accept' && call.kind === 'incoming' && call.id === about.call) ||
      (about.type === 'meet' && call.kind === 'waiting' && call.room === about.room))
  return mine ? { ...model, call: ended(call, 'failed', now) } : model
}

function ended(call: Call, reason: Exclude<EndReason, 'merged'> | 'failed', now: number): Call {
  switch (call.kind) {
    case 'outgoing': return { kind: 'ended', person: call.person, to: call.to, reason, seconds: 0 }
    case 'incoming': return { kind: 'ended', person: call.from, to: call.from.name, reason, seconds: 0 }
    case 'waiting': return { kind: 'ended', person: null, to: call.room, reason, seconds: 0 }
    case 'running': return { kind: 'ended', person: call.peer, to: call.peer.name, reason, seconds: Math.max(0, Math.round((now - call.since) / 1000)) }
    case 'idle':
    case 'ended':
      return call
  }
}
