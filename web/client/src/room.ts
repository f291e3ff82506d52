/** What the server's messages make of a room. */
import { NO_TRUST } from './e2ee/exchange.js'
import type { RoomCall, RunningCall } from './model.js'
import type { Breakout, Member } from './protocol.js'
import { UNKNOWN } from './quality.js'
import type { Notice } from './signal.js'

type Of<T extends Notice['type']> = Extract<Notice, { type: T }>
/** The messages about a room that goes on. */
export type RoomNotice = Of<'knocking' | 'member' | 'members' | 'member-left' | 'voices' | 'speaking' | 'shown' | 'wanted' | 'expressed' | 'muted' | 'role' | 'settings' | 'recording' | 'watchers' | 'unplayable' | 'paused' | 'breakout' | 'announced'>

/** Feelings shown at the same time; the oldest go first. */
const REACTIONS_MOST = 30

/**
 * The room that a `conference` tells of. `before` is the call that becomes it, the same room before we lost it, or the
 * main room or group that we come from.
 */
export function roomOf(conference: Of<'conference'>, before: RunningCall | RoomCall | null, key: string | null, now: number): RoomCall {
  const same = before?.kind === 'room' && before.id === conference.call ? before : null
  return {
    kind: 'room',
    id: conference.call,
    main: conference.main ?? conference.call,
    ...divided(conference.breakout ?? null, now),
    room: conference.room,
    key,
    encryption: key === null ? null : same?.encryption ?? NO_TRUST,
    since: before?.since ?? now,
    path: same ? 'reconnecting' : 'connecting',
    you: conference.you,
    members: sorted(conference.members),
    locked: conference.locked,
    lobby: conference.lobby,
    recording: conference.recording,
    recordingProblem: null,
    watching: conference.watching ?? false,
    watchers: conference.watchers ?? 0,
    unplayable: [],
    paused: {},
    uploadWeak: false,
    listeners: conference.listeners ?? false,
    title: conference.title ?? '',
    knocking: same?.knocking ?? [],
    speaking: [],
    shown: [],
    voices: [],
    reactions: [],
    mutedBy: before?.kind === 'room' ? before.mutedBy : null,
    sharingScreen: before?.sharingScreen ?? false,
    messages: same?.messages ?? [],
    files: same?.files ?? (before?.files ?? []).filter(({ state }) => state === 'done'),
    quality: UNKNOWN,
    qualities: same?.qualities ?? {},
  }
}

function divided(breakout: Breakout | null, now: number): Pick<RoomCall, 'breakout' | 'breakoutEnds'> {
  return { breakout, breakoutEnds: typeof breakout?.seconds === 'number' ? now + breakout.seconds * 1000 : null }
}

/** The room without those members. */
function without(room: RoomCall, left: readonly number[]): RoomCall {
  return {
    ...room,
    members: room.members.filter(({ number }) => !left.includes(number)),
    speaking: room.speaking.filter((number) => !left.includes(number)),
    qualities: Object.fromEntries(Object.entries(room.qualities).filter(([number]) => !left.includes(Number(number)))),
  }
}

/** The room with these members as they are now. */
function withMembers(room: RoomCall, members: RoomCall['members']): RoomCall {
  const numbers = new Set(members.map(({ number }) => number))
  return { ...room, members: sorted([...room.members.filter(({ number }) => !numbers.has(number)), ...members]) }
}

export function advanceRoom(room: RoomCall, notice: RoomNotice, now: number): RoomCall {
  switch (notice.type) {
    case 'knocking': return { ...room, knocking: notice.people }
    case 'member': return withMembers(room, [notice.member])
    case 'members': return withMembers(without(room, notice.left), notice.members)
    case 'member-left': return without(room, [notice.number])
    case 'breakout': return { ...room, ...divided(notice.breakout, now) }
    case 'voices': return { ...room, voices: notice.slots }
    case 'speaking': return { ...room, speaking: notice.members }
    case 'shown': {
      const shown = [...room.shown]
      while (shown.length <= notice.slot) shown.push(null)
      shown[notice.slot] = notice.source
      return { ...room, shown, unplayable: room.unplayable.filter((slot) => slot !== notice.slot) }
    }
    case 'paused': {
      const { [notice.slot]: _, ...others } = room.paused
      return { ...room, paused: notice.source ? { ...others, [notice.slot]: notice.source } : others }
    }
    case 'unplayable': return { ...room, unplayable: [...room.unplayable.filter((slot) => slot !== notice.slot), notice.slot] }
    case 'watchers': return { ...room, watchers: notice.count }
    case 'expressed': return express(room, notice.member, notice.reaction)
    case 'muted': return { ...room, mutedBy: room.members.find(({ number }) => number === notice.by)?.person.name ?? '' }
    case 'settings': return { ...room, locked: notice.locked, lobby: notice.lobby, listeners: notice.listeners ?? false, title: notice.title ?? '', watching: notice.watching ?? false, knocking: notice.lobby ? room.knocking : [] }
    case 'recording': return { ...room, recording: notice.recording, recordingProblem: notice.problem ?? null }
    case 'role': return { ...room, members: room.members.map((member) => (member.number === room.you ? { ...member, role: notice.role } : member)) }
    case 'wanted':
    case 'announced':
      return room
  }
}

/** A member shows a feeling. */
export function express(room: RoomCall, member: number, reaction: string): RoomCall {
  const id = (room.reactions.at(-1)?.id ?? 0) + 1
  return { ...room, reactions: [...room.reactions.slice(1 - REACTIONS_MOST), { id, member, reaction }] }
}

/** Ourselves among the members. */
export function self(room: RoomCall): Member | undefined {
  return room.members.find(({ number }) => number === room.you)
}

function sorted(members: readonly Member[]): readonly Member[] {
  return [...members].sort((a, b) => a.number - b.number)
}
