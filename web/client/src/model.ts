/**
 * What a Visavis client knows at a moment, as plain data: a program shows `Model` and calls `Commands`.
 *
 * Every state that a person can meet is a variant here (denied, no device, reconnecting, ended and why): none of
 * them is an exception. One message from the server or the browser makes one new `Model`.
 */
import type { Encryption, Trust } from './e2ee/exchange.js'
import type { Action, Door, EndReason, Knock, Media, Member, Person, Picture, Presence, Recording, Refusal, View } from './protocol.js'

export type { Encryption, Trust }

/** Everything there is to show. */
export interface Model {
  readonly server: ServerLink
  /** Who we are; null before the first welcome. */
  readonly me: Person | null
  readonly camera: Capture
  readonly microphone: Capture
  readonly devices: Devices
  readonly call: Call
  /**
   * The call that `call` is about to become: a room for a call of two that a third joins, a call of two for a room that
   * the others left. It is prepared while `call` goes on, and takes its place once its pictures move.
   */
  readonly next: RunningCall | RoomCall | null
  /** The latest answer to `find`. */
  readonly people: readonly Presence[]
  /** Keys of rooms that were asked for, the last of each sort. Secrets. */
  readonly keys: readonly RoomKey[]
}

/** With this an encoder publishes into a room (WHIP), or a player watches it (WHEP). */
export interface RoomKey {
  readonly room: string
  readonly door: Door
  readonly key: string
  /** When it ends, ms since the epoch. */
  readonly expires: number
}

/** The way to the server. */
export type ServerLink =
  | { readonly kind: 'offline' }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'online'; readonly draining: boolean }
  /** The socket was lost; `nextTry` is when it is tried again (ms since the epoch). Calls go on. */
  | { readonly kind: 'reconnecting'; readonly attempt: number; readonly nextTry: number }
  | { readonly kind: 'refused'; readonly code: Refusal; readonly message: string }

/** A camera or a microphone. */
export type Capture =
  | { readonly kind: 'off' }
  /** The browser is asking the person. */
  | { readonly kind: 'asking' }
  | { readonly kind: 'on'; readonly deviceId: string; readonly label: string; readonly muted: boolean }
  | { readonly kind: 'denied' }
  | { readonly kind: 'no-device' }
  /** Another program holds it, or it failed. */
  | { readonly kind: 'in-use'; readonly detail: string }
  /** The page is not a secure context: browsers give no devices there. */
  | { readonly kind: 'insecure' }

export interface Device { readonly id: string; readonly label: string }
export interface Devices {
  readonly cameras: readonly Device[]
  readonly microphones: readonly Device[]
  readonly speakers: readonly Device[]
  /** The id of the speaker to play on (`setSinkId`); empty for the usual one. */
  readonly speaker: string
}

/** The call, in the order of its life. */
export type Call =
  | { readonly kind: 'idle' }
  /** We called; `ringing` once a device of theirs rings. `prepared`: all that is missing is that they accept, and a path. */
  | { readonly kind: 'outgoing'; readonly id: string; readonly to: string; readonly person: Person | null; readonly ringing: boolean; readonly prepared?: boolean }
  | { readonly kind: 'incoming'; readonly id: string; readonly from: Person; readonly media: Media; readonly prepared?: boolean }
  /** Waiting at a link for somebody else who holds it. */
  | { readonly kind: 'waiting'; readonly room: string; readonly key: string | null }
  | RunningCall
  /** Waiting until a room's owner lets us in. */
  | { readonly kind: 'lobby'; readonly id: string; readonly room: string; readonly key: string | null }
  | RoomCall
  /** `to` names the other; `room` is the link, where it was one, and `key` what stands in it. */
  | { readonly kind: 'ended'; readonly person: Person | null; readonly to: string; readonly room: string | null; readonly key: string | null; readonly reason: Ending; readonly seconds: number }

/** Why a call is over; `merged` and `moved` are not an end for the person. */
export type Ending =
  | Exclude<EndReason, 'merged' | 'moved'> | 'failed' | 'room-full' | 'room-locked' | 'needs-token'
  /** The room is end-to-end encrypted, and the link has no key, or none that is one. */
  | 'encrypted'
  /** The link has a key, but the room is not end-to-end encrypted. */
  | 'not-encrypted'
  /** The link has a key, and this browser cannot encrypt. */
  | 'cannot-encrypt'
  /** The link has a key, and the other did not prove that they have it and that nobody is in between. */
  | 'not-verified'

/** A call of two, whose media go straight from one to the other. */
export interface RunningCall {
  readonly kind: 'running'
  readonly id: string
  /** The name in its link, if it has one: whoever opens that joins. */
  readonly room: string | null
  /** The key in its link, if it has one: with a third person what is sent is encrypted with it. A secret. */
  readonly key: string | null
  readonly peer: Person
  /** When it was accepted, ms since the epoch. */
  readonly since: number
  /** How the media path stands. `connecting` before the first time, `reconnecting` while ICE restarts. */
  readonly path: 'connecting' | 'connected' | 'reconnecting'
  /** Whether the other is reachable through the server. */
  readonly peerPresent: boolean
  /** What the other sends: whether there is a live picture and sound of theirs, and their screen. */
  readonly remote: { readonly camera: boolean; readonly microphone: boolean; readonly screen: boolean }
  readonly sharingScreen: boolean
  readonly messages: readonly ChatMessage[]
  readonly files: readonly FileTransfer[]
  readonly quality: Quality
  /** 20 digits in groups of four, e.g. `4821 9034 1177 0265 9913` (66 bits); null until both fingerprints are known. */
  readonly safetyCode: string | null
}

/** A call of many, whose media the server forwards. */
export interface RoomCall {
  readonly kind: 'room'
  readonly id: string
  /** Its name in its link. */
  readonly room: string
  /** The key in its link: what is sent is then encrypted for the members alone. A secret. */
  readonly key: string | null
  /** How it stands with that; null where there is no key. */
  readonly encryption: Encryption | null
  /** When we came in, ms since the epoch. */
  readonly since: number
  /** How our path to the server stands. */
  readonly path: RunningCall['path']
  /** Our own number. */
  readonly you: number
  /** Everybody, ourselves included, in the order in which they came. */
  readonly members: readonly Member[]
  /** Whether nobody else can come in. */
  readonly locked: boolean
  /** Whether whoever comes waits to be admitted. */
  readonly lobby: boolean
  /** The recording that goes on. */
  readonly recording: Recording | null
  /** Why the last recording ended, if nobody ended it. */
  readonly recordingProblem: string | null
  /** Whether whoever has the link may watch without a key. */
  readonly watching: boolean
  /** How many watch, who are no members. */
  readonly watchers: number
  /** The picture slots whose pictures this browser has no codec for. */
  readonly unplayable: readonly number[]
  /** Whether whoever comes is a listener at first. */
  readonly listeners: boolean
  /** What an application calls it; empty if none does. */
  readonly title: string
  /** Who waits; owners alone are told. */
  readonly knocking: readonly Knock[]
  /** The numbers of those who speak, the loudest first. */
  readonly speaking: readonly number[]
  /** What each picture slot carries now. */
  readonly shown: readonly (View | null)[]
  /** Whose voice each voice slot carries now. */
  readonly voices: readonly (number | null)[]
  /** Feelings shown in the last seconds, oldest first. */
  readonly reactions: readonly Reaction[]
  /** The name of the owner who muted us, until we unmute; empty if it was an application. */
  readonly mutedBy: string | null
  readonly sharingScreen: boolean
  readonly messages: readonly ChatMessage[]
  /** Received in the call of two that it was before; in a room files cannot be sent. */
  readonly files: readonly FileTransfer[]
  readonly quality: Quality
  /** How good the others find their own paths to the server, by number, as far as they have said. */
  readonly qualities: Readonly<Record<number, TellsQuality>>
}

/** What a member says of their path. */
export type TellsQuality = 'good' | 'fair' | 'poor'

/** A feeling that a member shows for a moment. */
export interface Reaction {
  /** Different for each. */
  readonly id: number
  readonly member: number
  readonly reaction: string
}

/** A picture that is on the screen, for `arrange`. */
export interface Tile {
  readonly member: number
  readonly source: Picture
  /** In pixels of the display. */
  readonly height: number
}

export interface ChatMessage {
  readonly id: string
  readonly mine: boolean
  /** The name of who said it; empty for our own. */
  readonly from: string
  readonly text: string
  /** ms since the epoch, on the sender's clock. */
  readonly at: number
  /** Whether the other side confirmed it. */
  readonly delivered: boolean
}

export interface FileTransfer {
  readonly id: string
  readonly mine: boolean
  readonly name: string
  readonly size: number
  readonly done: number
  /** Bytes per second, smoothed. */
  readonly rate: number
  readonly state:
    | 'offered' /** waits for the receiver to take it */
    | 'running'
    | 'paused' /** the path broke; goes on where it stopped */
    | 'done' /** complete and its hash verified */
    | 'refused'
    | 'cancelled'
    | 'failed'
  /** Where the finished file can be had (receiver only). */
  readonly url: string | null
}

/** What the numbers say, and the numbers. */
export interface Quality {
  readonly verdict: 'unknown' | 'good' | 'fair' | 'poor' | 'lost'
  readonly route: 'unknown' | 'direct' | 'relayed'
  /** The transport of the selected pair, with the client-to-relay transport when relayed: `udp`, `tcp`, `udp via tls`. */
  readonly protocol: string
  /** Seconds. */
  readonly roundTrip: number | null
  /** Bits per second, received and sent. */
  readonly bitrateIn: number
  readonly bitrateOut: number
  /** Fraction lost over the last seconds, 0 to 1: of theirs at us, of ours at them. */
  readonly lossIn: number
  readonly lossOut: number
  readonly width: number
  readonly height: number
  readonly framesPerSecond: number
  readonly audioCodec: string
  readonly videoCodec: string
}

/** What a person can do. Any command is legal at any time; one that makes no sense in the state does nothing. */
export interface Commands {
  /** Connects to the server under a name (a guest) or with a stored identity. */
  connect(name: string): void
  rename(name: string): void
  find(query: string): void
  /** Asks for the devices, so that a person sees themselves before a call. */
  openCamera(deviceId?: string): Promise<void>
  closeCamera(): void
  openMicrophone(deviceId?: string): Promise<void>
  closeMicrophone(): void
  setMuted(muted: boolean): void
  setSpeaker(deviceId: string): Promise<void>
  call(to: string): void
  /** Meets whoever else holds the link of that room. With the key in the link nobody else can see or hear what is sent. */
  meet(room: string, key?: string | null): void
  /** Accepts an incoming call; with `video: false` the camera stays off. */
  accept(media: Media): Promise<void>
  decline(): void
  hangUp(): void
  /** Puts the ended call away. */
  dismiss(): void
  shareScreen(): Promise<void>
  stopScreen(): void
  say(text: string): void
  sendFiles(files: readonly File[]): void
  takeFile(id: string): void
  refuseFile(id: string): void
  cancelFile(id: string): void
  /** Gives a running call of two a link (`RunningCall.room`), so that others can join. */
  openLink(): void
  /** Says which pictures of a room are on the screen, the most important first; the others are not received. */
  arrange(tiles: readonly Tile[]): void
  raiseHand(up: boolean): void
  /** Shows a feeling: one character as people see it, such as an emoji. */
  react(reaction: string): void
  /** What an owner of a room may do. */
  moderate(action: Action): void
  /** Asks for a key of a room (`Model.keys`): an owner of it may, or whoever is there first. */
  askKey(room: string, door: Door): void
  /** The streams to show; they are not part of `Model` because they are not data. */
  streams(): Streams
  /** The loudness of our own microphone now, 0 to 1. */
  level(): number
}

/** What is to be seen and heard now. Each stream stays the same object for a whole call; its tracks change. */
export interface Streams {
  /** Our camera and microphone. */
  readonly local: MediaStream | null
  readonly screen: MediaStream | null
  /** The friend's camera: for a muted `<video>`. */
  readonly remote: MediaStream | null
  /** The friend's microphone: for an `<audio>` of its own, which plays whether there is a picture or not. */
  readonly remoteVoice: MediaStream | null
  readonly remoteScreen: MediaStream | null
  /** The pictures of a room that are being received, by `tileKey`. */
  readonly pictures: ReadonlyMap<string, MediaStream>
  /** The voices of a room: each for an `<audio>` of its own, which stays while those who speak in it change. */
  readonly voices: readonly MediaStream[]
}

/** The name of a picture among `Streams.pictures`. */
export function tileKey({ member, source }: View): string {
  return `${member} ${source}`
}
