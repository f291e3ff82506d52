// This file is generated from crates/server/src/signal/protocol/; do not edit. docs/protocol.md explains it.
// To write it anew: UPDATE=1 cargo test -p server --lib protocol_ts_is_current

/** The version of the protocol that these types describe. */
export const VERSION = 1

/** What a client sends in one frame. */
export type ClientFrame = {
  /** The number of this message, counting from 1 in each session; absent on messages that are never repeated. */
  seq?: number
  /** The highest number received from the server so far. */
  ack?: number
} & ClientMessage

/** What the server sends in one frame. */
export type ServerFrame = {
  /** The number of this message, counting from 1 in each session; absent on messages that are never repeated. */
  seq?: number
  /** The highest number received from this client so far. */
  ack?: number
} & ServerMessage

/** From the client. */
export type ClientMessage =
  | {
    type: 'hello'
    /** The protocol version the client speaks. */
    protocol: number
    /** The name a guest goes by; needed unless `identity` or `resume` gives one. */
    name?: string | null
    /** The token of an earlier `welcome`, which keeps the same person id, or of an account login. */
    identity?: Secret | null
    /** A join token that an application signed: it says who comes, and what they may do in its room. */
    token?: Secret | null
    /** Continue this session after a dropped socket. */
    resume?: Resume | null
    /** Whether this client knows conferences: a third person may then join its calls. */
    conferences?: boolean
  }
  | { type: 'ack' }
  | { type: 'ping' }
  | {
    type: 'rename'
    /** The new name, 1 to 64 characters. */
    name: string
  }
  | {
    type: 'find'
    /** Echoed in the answer. */
    request: number
    /** The beginning of a name, at least one character. */
    query: string
  }
  | { type: 'ice-servers' }
  | {
    type: 'invite'
    /** A random id of the caller's making, 22 to 64 characters of base64url: the call's name from now on. */
    call: string
    /** A person's name or id. */
    to: string
    /** What the caller intends to send. */
    media: Media
    /** Whether the caller answers descriptions of devices that still ring. */
    early?: boolean
  }
  | {
    type: 'accept'
    /** The call. */
    call: string
    /** The callee's offer, if it is ready: saves half a round trip. */
    description?: Description | null
    /** What the callee intends to send. */
    media: Media
  }
  | {
    type: 'decline'
    /** The call. */
    call: string
    /** Whether because another call is going on. */
    busy: boolean
  }
  | {
    type: 'end'
    /** The call. */
    call: string
  }
  | {
    type: 'description'
    /** The call. */
    call: string
    /** From the caller, before `started`: the ringing device that it is for. */
    device?: number
    /** The description. */
    description: Description
  }
  | {
    type: 'candidate'
    /** The call. */
    call: string
    /** From the caller, before `started`: the ringing device that it is for. */
    device?: number
    /** The candidate; `null` when there are no more in this generation. */
    candidate: Candidate | null
  }
  | {
    type: 'rejoin'
    /** The call. */
    call: string
    /** The ticket from `started`. */
    ticket: Secret
  }
  | {
    type: 'meet'
    /** The room's name as it stands in the link, 1 to 64 characters of `A-Z a-z 0-9 - _`. */
    room: string
    /** What this side intends to send. */
    media: Media
    /** Whether the link holds a key, so that what members send is encrypted for the other members alone. The first to
 * come decides; whoever comes with the other sort of link is told `encryption`. */
    encrypted?: boolean
  }
  | {
    type: 'leave'
    /** The room. */
    room: string
  }
  | {
    type: 'open'
    /** The call. */
    call: string
  }
  | {
    type: 'layout'
    /** The conference. */
    call: string
    /** The slot's index is its place among the client's receiving video sections; `null` shows nothing. */
    slots: Array<Want | null>
  }
  | {
    type: 'sending'
    /** The conference. */
    call: string
    /** Sound. */
    microphone: boolean
    /** Their picture. */
    camera: boolean
    /** Their screen. */
    screen: boolean
  }
  | {
    type: 'moderate'
    /** The conference. */
    call: string
    /** What. */
    action: Action
  }
  | {
    type: 'whisper'
    /** The conference. */
    call: string
    /** For whom. They have to be there, in the same conference. */
    to: number
    /** What, 1 to 8192 bytes; in an encrypted room encrypted as messages on the channel are. */
    text: string
  }
  | {
    type: 'breakout'
    /** The conference that one is in, be it the main room's or a group's. */
    call: string
    /** What. */
    action: BreakoutAction
  }
  | {
    type: 'key'
    /** The room's name as it stands in the link. */
    room: string
    /** What it is to open. */
    door: Door
    /** What the encoder is to be called, 1 to 64 characters; absent: as it says itself. */
    name?: string | null
  }
  | {
    type: 'express'
    /** The conference. */
    call: string
    /** Whether the hand is up; absent: as before. */
    hand?: boolean | null
    /** One character as people see it, such as an emoji, at most 32 bytes. */
    reaction?: string | null
  }

/** From the server. */
export type ServerMessage =
  | {
    type: 'welcome'
    /** The session's secret name, to resume it. */
    session: Secret
    /** Whether the earlier session goes on; if not, start anew (and `rejoin` a running call). */
    resumed: boolean
    /** The highest number the server had received in this session: send again what came after. */
    received: number
    /** The person this session speaks for. */
    me: Person
    /** Keep this and present it next time: it keeps the person id. A secret. */
    identity: Secret
    /** STUN and TURN servers with short-lived credentials. */
    iceServers: Array<IceServer>
    /** Seconds until those credentials end. */
    iceLifetime: number
    /** Seconds without any frame after which the server gives a socket up; send `ping` before. */
    idleTimeout: number
    /** Seconds for which a session without a socket can still be resumed. */
    resumeTimeout: number
    /** Whether the server is about to stop: calls go on, new ones are not taken. */
    draining: boolean
  }
  | { type: 'ack' }
  | { type: 'pong' }
  | {
    type: 'refused'
    /** For programs. */
    code: Refusal
    /** For people: what was wrong, and what would be right. */
    message: string
  }
  | {
    type: 'error'
    /** The `seq` of the request. */
    about: number
    /** For programs. */
    code: ErrorCode
    /** For people: what was wrong, and what would be right. */
    message: string
  }
  | {
    type: 'renamed'
    /** The person under the new name. */
    me: Person
  }
  | {
    type: 'people'
    /** The request's number. */
    request: number
    /** At most 20, those present first. */
    people: Array<Presence>
  }
  | {
    type: 'ice-servers'
    /** STUN and TURN servers with short-lived credentials. */
    iceServers: Array<IceServer>
    /** Seconds until those credentials end. */
    iceLifetime: number
  }
  | {
    type: 'ringing'
    /** The call. */
    call: string
    /** Who was found under the name. */
    to: Person
    /** Seconds until it is given up. */
    timeout: number
  }
  | {
    type: 'incoming'
    /** The call. */
    call: string
    /** Who. */
    from: Person
    /** What they intend to send. */
    media: Media
    /** Seconds until it is given up. */
    timeout: number
    /** Whether this device may send its offer to the caller before it accepts. */
    early?: boolean
  }
  | {
    type: 'started'
    /** The call. */
    call: string
    /** The other person. */
    peer: Person
    /** What the other intends to send. */
    media: Media
    /** The polite side in perfect negotiation gives way. The impolite side makes the first offer. */
    polite: boolean
    /** Take the call up again with this if the server loses it. A secret of the two. */
    ticket: Secret
    /** The other's offer, if it came with `accept`. */
    description: Description | null
    /** To the caller: which of the ringing devices accepted, if it may have sent its offer before. */
    device?: number
    /** The candidates that the server has kept for this side while it rang. */
    candidates?: Array<Candidate>
    /** Whether the media may be running already: this was a `rejoin`. */
    rejoined: boolean
    /** The conference that this call goes on for; keep that until this one has media, then `end` it. */
    replaces?: string
  }
  | {
    type: 'description'
    /** The call. */
    call: string
    /** To the caller, before `started`: the ringing device that it comes from. */
    device?: number
    /** The description. */
    description: Description
  }
  | {
    type: 'candidate'
    /** The call. */
    call: string
    /** To the caller, before `started`: the ringing device that it comes from. */
    device?: number
    /** The candidate; `null` when there are no more in this generation. */
    candidate: Candidate | null
  }
  | {
    type: 'peer'
    /** The call. */
    call: string
    /** Whether they are reachable through the server now. */
    present: boolean
  }
  | {
    type: 'ended'
    /** The call. */
    call: string
    /** Why. */
    reason: EndReason
  }
  | {
    type: 'waiting'
    /** The room. */
    room: string
  }
  | { type: 'draining' }
  | {
    type: 'opened'
    /** The call. */
    call: string
    /** The room's name: whoever says `meet` with it joins. */
    room: string
    /** Instead of the one from before. A secret. */
    ticket: Secret
  }
  | {
    type: 'conference'
    /** The conference. */
    call: string
    /** The room's name, as it stands in the link. */
    room: string
    /** Your number. */
    you: number
    /** What you may do. */
    role: Role
    /** Everybody who is in it, you as well. */
    members: Array<Member>
    /** Whether nobody else can come in. */
    locked: boolean
    /** Whether whoever comes waits to be admitted. */
    lobby: boolean
    /** The recording that goes on; `null`: nothing is recorded. */
    recording: Recording | null
    /** Whether whoever has the link may watch without a key. */
    watching?: boolean
    /** How many watch (WHEP); absent: nobody. */
    watchers?: number
    /** Whether whoever comes is an attendee at first. */
    listeners?: boolean
    /** What an application calls the room, for people. */
    title?: string
    /** Whether members encrypt what they send for each other, so that the server cannot decode it. It stays so. */
    encrypted: boolean
    /** The conference of the main room, if this one is a group's. What says `conference` with the same main room takes
 * the place of the one before: you went, or were sent, to another group or back. */
    main?: string
    /** How the room is divided into groups; absent: it is not. */
    breakout?: Breakout
    /** Come back with this (`rejoin`, to the main room's conference) if the server loses the conference. A secret. */
    ticket: Secret
    /** The call of two that goes on here: keep it until the server ends it as `moved`. */
    replaces: string | null
  }
  | {
    type: 'lobby'
    /** The conference. */
    call: string
    /** The room. */
    room: string
  }
  | {
    type: 'knocking'
    /** The conference. */
    call: string
    /** First come first. */
    people: Array<Knock>
  }
  | {
    type: 'member'
    /** The conference. */
    call: string
    /** Who they are now. */
    member: Member
  }
  | {
    type: 'members'
    /** The conference. */
    call: string
    /** Who is in it no more, before `members`: somebody may have left and come again. One may never have been told
 * of them. */
    left: Array<number>
    /** Who came, and about whom something changed. */
    members: Array<Member>
  }
  | {
    type: 'member-left'
    /** The conference. */
    call: string
    /** Who. */
    number: number
    /** Why: `hung-up`, `lost`, `removed`, or `moved` (to the call of two that goes on for it). */
    reason: EndReason
  }
  | {
    type: 'breakout'
    /** The conference. */
    call: string
    /** `null`: it is not divided any more. */
    breakout: Breakout | null
  }
  | {
    type: 'whispered'
    /** The conference. */
    call: string
    /** Who. */
    from: number
    /** What. */
    text: string
  }
  | {
    type: 'announced'
    /** The conference. */
    call: string
    /** Who; `null`: an application. */
    from: Person | null
    /** What. */
    text: string
  }
  | {
    type: 'role'
    /** The conference. */
    call: string
    /** What you may do. */
    role: Role
    /** Instead of the one in `conference`. A secret. */
    ticket: Secret
  }
  | {
    type: 'settings'
    /** The conference. */
    call: string
    /** Whether nobody else can come in. */
    locked: boolean
    /** Whether whoever comes waits to be admitted. */
    lobby: boolean
    /** Whether whoever has the link may watch without a key. */
    watching?: boolean
    /** Whether whoever comes is an attendee at first. */
    listeners?: boolean
    /** What an application calls the room, for people. */
    title?: string
  }
  | {
    type: 'watchers'
    /** The conference. */
    call: string
    /** How many. */
    count: number
  }
  | {
    type: 'key'
    /** The room. */
    room: string
    /** What it opens. */
    door: Door
    /** The bearer token. A secret. */
    key: Secret
    /** When it ends, in seconds since 1970. */
    expires: number
  }
  | {
    type: 'recording'
    /** The conference. */
    call: string
    /** The recording that goes on; `null`: it has ended. */
    recording: Recording | null
    /** For people: why it ended, if nobody ended it. */
    problem?: string
  }
  | {
    type: 'voices'
    /** The conference. */
    call: string
    /** The index is the slot's place among the receiving audio sections. */
    slots: Array<number | null>
  }
  | {
    type: 'speaking'
    /** The conference. */
    call: string
    /** Their numbers; empty when nobody does. */
    members: Array<number>
  }
  | {
    type: 'shown'
    /** The conference. */
    call: string
    /** The slot's place among the receiving video sections. */
    slot: number
    /** `null`: nothing, for nobody sends it or the way to you is too narrow. */
    source: View | null
  }
  | {
    type: 'unplayable'
    /** The conference. */
    call: string
    /** The slot's place among the receiving video sections. */
    slot: number
  }
  | {
    type: 'paused'
    /** The conference. */
    call: string
    /** The slot's place among the receiving video sections. */
    slot: number
    /** What stands still; `null`: nothing in this slot. */
    source: View | null
  }
  | {
    type: 'wanted'
    /** The conference. */
    call: string
    /** Of `l`, `m` and `h`. */
    rids: Array<string>
  }
  | {
    type: 'expressed'
    /** The conference. */
    call: string
    /** Who. */
    member: number
    /** One character as people see it. */
    reaction: string
  }
  | {
    type: 'muted'
    /** The conference. */
    call: string
    /** Who did. */
    by: number
  }

/** A text that opens something to whoever has it. `Debug` does not show it, so that no log can. */
export type Secret = string

/** Takes up an earlier session. */
export type Resume = {
  /** The session's secret name from `welcome`. */
  session: Secret
  /** The highest number received from the server in that session. */
  received: number
}

/** Somebody. */
export type Person = {
  /** Stable and random; the same on all devices of an account, and in one browser for a guest. */
  id: string
  /** The name they go by, 1 to 64 characters. */
  name: string
  /** Whether an account holds the name; a guest's name is merely what they say. */
  verified: boolean
}

/** A person and whether they can be called now. */
export type Presence = {
  /** Who. */
  person: Person
  /** Whether some device of theirs is connected. */
  present: boolean
  /** Whether every device of theirs is in a call. */
  busy: boolean
}

/** What a side intends to send. */
export type Media = {
  /** Sound. */
  audio: boolean
  /** A picture. */
  video: boolean
}

/** An RTCSessionDescriptionInit (W3C WebRTC §4.6.2), passed on unread. */
export type Description = {
  /** What it is. */
  type: DescriptionKind
  /** The SDP, at most 64 KiB; empty for a rollback. */
  sdp?: string
}

/** An RTCSdpType. */
export type DescriptionKind =
  | 'offer'
  | 'answer'
  | 'pranswer'
  | 'rollback'

/** An RTCIceCandidateInit (W3C WebRTC §4.8.1.1), passed on unread. */
export type Candidate = {
  /** The candidate-attribute; empty for the end of candidates. */
  candidate: string
  /** The media section's `mid`. */
  sdpMid?: string | null
  /** The media section's index. */
  sdpMLineIndex?: number | null
  /** The ICE generation it belongs to. */
  usernameFragment?: string | null
}

/** An RTCIceServer (W3C WebRTC §4.2.2). */
export type IceServer = {
  /** `stun:`, `turn:` and `turns:` URLs (RFC 7064, 7065). */
  urls: Array<string>
  /** For TURN. */
  username?: string
  /** For TURN. */
  credential?: Secret
}

/** What somebody may do in a conference. */
export type Role =
  | 'attendee'
  | 'presenter'
  | 'owner'

/** What a member sends. */
export type Sending = {
  /** Sound. */
  microphone: boolean
  /** Their picture. */
  camera: boolean
  /** Their screen. */
  screen: boolean
}

/** What sort of member somebody is. */
export type MemberKind =
  | 'person'
  | 'encoder'

/** Somebody in a conference. */
export type Member = {
  /** How the other messages, and the data channel `room`, name them. */
  number: number
  /** Who. The same person may be there with several devices. */
  person: Person
  /** What they may do. */
  role: Role
  /** What they send now, by their own account. */
  sending: Sending
  /** Whether they raise their hand. */
  hand: boolean
  /** Whether their media connection with the server stands. */
  connected: boolean
  /** What sort of member; absent: a person. */
  kind?: MemberKind
}

/** Somebody who waits to be admitted. */
export type Knock = {
  /** For `admit` and `deny`; the member's number if they are admitted. */
  number: number
  /** Who. */
  person: Person
}

/** A way into a room by HTTP, without signalling. */
export type Door =
  | 'publish'
  | 'watch'

/** One of a member's pictures. */
export type Picture =
  | 'camera'
  | 'screen'

/** What a picture slot is to show. */
export type Want = {
  /** Whose. */
  member: number
  /** Which. */
  source: Picture
  /** The height of the tile in pixels of the display. */
  height: number
}

/** What a picture slot shows. */
export type View = {
  /** Whose. */
  member: number
  /** Which. */
  source: Picture
}

/** A recording that goes on. */
export type Recording = {
  /** Its name among the recordings. */
  id: string
  /** Who began it. */
  by: Person
  /** For how long it has gone on, in seconds. */
  seconds: number
  /** How many bytes were written, as far as is known. */
  bytes: number
}

/** What a moderator does. */
export type Action =
  | {
    'kind': 'mute'
    /** Whose. */
    member: number
  }
  | { 'kind': 'mute-all' }
  | {
    'kind': 'unmute'
    /** Whose. */
    member: number
  }
  | {
    'kind': 'remove'
    /** Who. */
    member: number
  }
  | {
    'kind': 'admit'
    /** Who (`knocking`). */
    member: number
  }
  | {
    'kind': 'deny'
    /** Who (`knocking`). */
    member: number
  }
  | {
    'kind': 'promote'
    /** Who. */
    member: number
  }
  | {
    'kind': 'demote'
    /** Who. */
    member: number
  }
  | {
    'kind': 'lock'
    /** Whether. */
    on: boolean
  }
  | {
    'kind': 'lobby'
    /** Whether. */
    on: boolean
  }
  | {
    'kind': 'record'
    /** Whether. */
    on: boolean
  }
  | {
    'kind': 'watching'
    /** Whether. */
    on: boolean
  }
  | {
    'kind': 'listeners'
    /** Whether. */
    on: boolean
  }
  | { 'kind': 'end' }

/** What is done about a room's groups. All but `go` is for owners. */
export type BreakoutAction =
  | {
    'kind': 'start'
    /** 1 to 50 groups; the first has the number 1. */
    groups: Array<GroupPlan>
    /** Whether those who are named nowhere are sent to groups by chance, as evenly as can be; owners stay. */
    rest: boolean
    /** Seconds (1 to 86400) after which everybody is called back; absent: no limit. */
    seconds?: number | null
  }
  | {
    'kind': 'assign'
    /** Who. */
    member: number
    /** Where to; `null`: the main room. */
    group: number | null
  }
  | {
    'kind': 'go'
    /** Where to; `null`: the main room. */
    group: number | null
  }
  | {
    'kind': 'say'
    /** 1 to 2000 characters. */
    text: string
  }
  | {
    'kind': 'recall'
    /** In so many seconds, 0 to 600. */
    seconds: number
  }

/** How a room is divided now. */
export type Breakout = {
  /** The groups, by number. */
  groups: Array<Group>
  /** The group that you are in; `null`: the main room. */
  at: number | null
  /** The group that you were sent to, and may go to; `null`: none. */
  yours: number | null
  /** Seconds until everybody is back in the main room; `null`: until an owner calls them. */
  seconds: number | null
  /** Whether they were called already. */
  closing: boolean
  /** To owners: everybody, and where they are. */
  people?: Array<Placed>
}

/** A group that a room is divided into. */
export type Group = {
  /** Its number. */
  number: number
  /** What it is called, 1 to 64 characters. */
  name: string
}

/** A group to be made. */
export type GroupPlan = {
  /** What it is to be called, 1 to 64 characters. */
  name: string
  /** Who is sent there. */
  members: Array<number>
}

/** Where somebody is in a divided room. */
export type Placed = {
  /** Their number, which stays the same wherever they are. */
  number: number
  /** Who. */
  person: Person
  /** The group that they were sent to; `null`: none. */
  group: number | null
  /** The group that they are in; `null`: the main room. */
  at: number | null
  /** Whether they raise their hand. */
  hand: boolean
}

/** Why a call is over. */
export type EndReason =
  | 'hung-up'
  | 'declined'
  | 'busy'
  | 'cancelled'
  | 'timeout'
  | 'elsewhere'
  | 'unavailable'
  | 'lost'
  | 'merged'
  | 'moved'
  | 'removed'
  | 'closed'

/** Why a socket is closed. */
export type Refusal =
  | 'version'
  | 'malformed'
  | 'name'
  | 'identity'
  | 'limit'
  | 'replaced'
  | 'token'
  | 'token-expired'
  | 'token-early'

/** Why a request was not carried out. */
export type ErrorCode =
  | 'no-such-call'
  | 'bad-call'
  | 'bad-name'
  | 'bad-room'
  | 'room-full'
  | 'room-locked'
  | 'needs-token'
  | 'encryption'
  | 'not-allowed'
  | 'no-such-member'
  | 'bad-description'
  | 'bad-ticket'
  | 'wrong-state'
  | 'rate-limited'
  | 'draining'
