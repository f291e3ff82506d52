// Generated from crates/server/src/signal/protocol.rs. Do not edit.
export type CallId = string
export type Media = { audio: boolean, video: boolean }
export type Person = { id: string, name: string, verified: boolean }
export type Presence = { person: Person, present: boolean, busy: boolean }
export type Resume = { session: string, received: number }
export type DescriptionKind = 'offer' | 'answer' | 'pranswer' | 'rollback'
export type Description = { type: DescriptionKind, sdp: string }
export type Candidate = { candidate: string, sdpMid: string | null, sdpMLineIndex: number | null, usernameFragment: string | null }
export type IceServer = { urls: Array<string>, username?: string, credential?: string }
export type EndReason = 'hung-up' | 'declined' | 'busy' | 'cancelled' | 'timeout' | 'elsewhere' | 'unavailable' | 'lost'
export type Refusal = 'version' | 'malformed' | 'name' | 'identity' | 'limit' | 'replaced'
export type ErrorCode = 'no-such-call' | 'bad-call' | 'bad-name' | 'bad-room' | 'room-full' | 'bad-ticket' | 'wrong-state' | 'rate-limited' | 'draining'
export type ClientMessage =
  | { type: 'hello', protocol: number, name: string | null, identity: string | null, resume: Resume | null }
  | { type: 'ack' }
  | { type: 'ping' }
  | { type: 'rename', name: string }
  | { type: 'find', request: number, query: string }
  | { type: 'ice-servers' }
  | { type: 'invite', call: CallId, to: string, media: Media }
  | { type: 'accept', call: CallId, description: Description | null, media: Media }
  | { type: 'decline', call: CallId, busy: boolean }
  | { type: 'end', call: CallId }
  | { type: 'description', call: CallId, description: Description }
  | { type: 'candidate', call: CallId, candidate: Candidate | null }
  | { type: 'rejoin', call: CallId, ticket: string }
  | { type: 'meet', room: string, media: Media }
  | { type: 'leave', room: string }
export type ServerMessage =
  | { type: 'welcome', session: string, resumed: boolean, received: number, me: Person, identity: string, iceServers: Array<IceServer>, iceLifetime: number, idleTimeout: number, resumeTimeout: number, draining: boolean }
  | { type: 'ack' }
  | { type: 'pong' }
  | { type: 'refused', code: Refusal, message: string }
  | { type: 'error', about: number, code: ErrorCode, message: string }
  | { type: 'renamed', me: Person }
  | { type: 'people', request: number, people: Array<Presence> }
  | { type: 'ice-servers', iceServers: Array<IceServer>, iceLifetime: number }
  | { type: 'ringing', call: CallId, to: Person, timeout: number }
  | { type: 'incoming', call: CallId, from: Person, media: Media, timeout: number }
  | { type: 'started', call: CallId, peer: Person, media: Media, polite: boolean, ticket: string, description: Description | null, rejoined: boolean }
  | { type: 'description', call: CallId, description: Description }
  | { type: 'candidate', call: CallId, candidate: Candidate | null }
  | { type: 'peer', call: CallId, present: boolean }
  | { type: 'ended', call: CallId, reason: EndReason }
  | { type: 'waiting', room: string }
  | { type: 'draining' }
export type ClientFrame = { seq?: number, ack?: number } & ClientMessage
export type ServerFrame = { seq?: number, ack?: number } & ServerMessage
