/** Every state of the page, as the client would give it. */
import type { Call, Capture, Model, Quality, RoomCall, RunningCall } from '@visavis/client/model.js'
import type { Member, Person } from '@visavis/client/protocol.js'
import type { Prefs } from '../../src/state/prefs.js'
import type { Invitation, Ui } from '../../src/state/app.js'

export interface State {
  readonly model: Model
  readonly prefs?: Partial<Prefs>
  readonly ui?: Partial<Ui>
  readonly path?: string
  readonly invitation?: Invitation
  readonly hash?: string
  /** What is to be typed or clicked before the picture is taken: selectors, and text for fields. */
  readonly steps?: readonly (readonly [selector: string, text?: string])[]
}

const me: Person = { id: 'me', name: 'Bruno', verified: false }
const ada: Person = { id: 'ada', name: 'Ada Lovelace', verified: true }
const grace: Person = { id: 'grace', name: 'Grace', verified: false }
const camera: Capture = { kind: 'on', deviceId: 'c1', label: 'FaceTime HD Camera', muted: false }
const microphone: Capture = { kind: 'on', deviceId: 'm1', label: 'Built-in Microphone', muted: false }
const devices: Model['devices'] = {
  cameras: [{ id: 'c1', label: 'Integrated Camera' }, { id: 'c2', label: 'Studio Display' }],
  microphones: [{ id: 'm1', label: 'Built-in Microphone' }],
  speakers: [{ id: 's1', label: 'Headphones' }], speaker: '',
}
const base: Model = { server: { kind: 'online', draining: false }, me, camera, microphone, devices, call: { kind: 'idle' }, next: null, people: [], keys: [] }
const fresh: Model = {
  ...base, server: { kind: 'offline' }, me: null, camera: { kind: 'off' }, microphone: { kind: 'off' },
  devices: { cameras: [], microphones: [], speakers: [], speaker: '' },
}
const quality: Quality = {
  verdict: 'good', route: 'direct', protocol: 'udp', roundTrip: 0.018, bitrateIn: 2_412_000, bitrateOut: 1_960_000, lossIn: 0.001, lossOut: 0,
  width: 1280, height: 720, framesPerSecond: 30, audioCodec: 'Opus', videoCodec: 'VP9',
}
const now = Date.now()
const running: RunningCall = {
  kind: 'running', id: 'call', room: null, key: null, peer: ada, since: now - 754_000, path: 'connected', peerPresent: true, remote: { camera: true, microphone: true, screen: false },
  sharingScreen: false, messages: [], files: [], quality, safetyCode: '4821 9034 1177 0265 9913',
}
const messages: RunningCall['messages'] = [
  { id: '1', mine: false, from: 'Ada Lovelace', text: 'Can you see the plan? I put it here: https://example.org/plans/autumn?id=3.', at: now - 240_000, delivered: true },
  { id: '2', mine: true, from: '', text: 'Yes, opening it.', at: now - 200_000, delivered: true },
  { id: '3', mine: false, from: 'Ada Lovelace', text: 'The third page is the one I meant. Take your time, there is a lot in it and none of it is urgent.', at: now - 120_000, delivered: true },
  { id: '4', mine: true, from: '', text: 'Looks lovely ♥', at: now - 8_000, delivered: false },
]
const files: RunningCall['files'] = [
  { id: 'f1', mine: false, name: 'harbour at dusk.jpg', size: 4_280_000, done: 4_280_000, rate: 0, state: 'done', url: 'blob:x' },
  { id: 'f2', mine: true, name: 'a rather long name of a film from last summer.mp4', size: 812_000_000, done: 302_000_000, rate: 11_400_000, state: 'running', url: null },
  { id: 'f3', mine: false, name: 'notes.pdf', size: 96_000, done: 0, rate: 0, state: 'offered', url: null },
]
const inCall = (change: Partial<RunningCall> = {}, model: Partial<Model> = {}): Model => ({ ...base, ...model, call: { ...running, ...change } })
const withCall = (call: Call, change: Partial<Model> = {}): Model => ({ ...base, ...change, call })
const ended = (reason: Extract<Call, { kind: 'ended' }>['reason'], seconds = 0): State => ({ model: withCall({ kind: 'ended', person: ada, to: 'Ada Lovelace', room: null, key: null, reason, seconds }) })
const names = ['Bruno', 'Ada Lovelace', 'Grace', 'Chloé Duval', 'Dana', 'Emil Nolde', 'Fatima Zahra', 'Gustav', 'Hedy', 'Ibn Sina', 'Jun', 'Katherine Johnson-Goble', 'Linus', 'Marie', 'Niels']
const member = (number: number, change: Partial<Member> = {}): Member => ({
  number, person: { id: `p${number}`, name: names[number - 1] ?? `Guest ${number}`, verified: false }, role: number === 1 ? 'owner' : 'presenter',
  sending: { microphone: number % 4 !== 0, camera: number % 5 !== 0, screen: false }, hand: number === 3, connected: true, ...change,
})
const members = (count: number, change: (member: Member) => Partial<Member> = () => ({})): readonly Member[] =>
  Array.from({ length: count }, (_, index) => member(index + 1)).map(one => ({ ...one, ...change(one) }))
const room: RoomCall = {
  kind: 'room', id: 'room', main: 'room', breakout: null, breakoutEnds: null, paused: {}, uploadWeak: false, room: 'kfw3-m8pz-x2aq', key: null, encryption: null, qualities: {}, since: now - 1_854_000, path: 'connected', you: 1, members: members(4), locked: false, lobby: false, listeners: false, title: '', recording: null, recordingProblem: null, watching: false, watchers: 0, unplayable: [], knocking: [],
  speaking: [2], shown: [], voices: [], reactions: [], mutedBy: null, sharingScreen: false, messages: [], files: [], quality,
}
const encrypted: Partial<RoomCall> = {
  key: 'q2hX0mV1aYw2m8r4xJo1kA', members: members(5), encryption: { safetyCode: '1180 2265 9043 7710 3391', trust: { 2: 'verified', 3: 'waiting', 4: 'failed', 5: 'verified' } },
}
const inRoom = (change: Partial<RoomCall> = {}, model: Partial<Model> = {}): Model => ({ ...base, ...model, call: { ...room, ...change } })
const groups: NonNullable<RoomCall['breakout']> = {
  groups: [{ number: 1, name: 'Red' }, { number: 2, name: 'The ones with a rather long name' }], at: null, yours: null, seconds: 312, closing: false,
  people: [1, 2, 3, 4, 5, 6].map(number => ({ number, person: member(number).person, group: number === 1 ? null : (number % 2) + 1, at: number === 1 || number === 4 ? null : (number % 2) + 1, hand: number === 3 })),
}
const roomMessages: RoomCall['messages'] = [
  { id: '1', mine: false, from: 'Ada Lovelace', text: 'Shall we begin with the numbers?', at: now - 240_000, delivered: true },
  { id: '2', mine: false, from: 'Ada Lovelace', text: 'They are at https://example.org/plans/autumn', at: now - 220_000, delivered: true },
  { id: '3', mine: true, from: '', text: 'Yes please.', at: now - 200_000, delivered: true },
  { id: '4', mine: false, from: 'Chloé Duval', text: 'I can show them on my screen.', at: now - 20_000, delivered: true },
]
const roomFiles: RoomCall['files'] = [
  { id: 'in-2-1', mine: false, from: 'Ada Lovelace', name: 'plans for autumn.pdf', size: 4_812_000, done: 0, rate: 0, state: 'offered', url: null },
  { id: 'in-4-2', mine: false, from: 'Chloé Duval', name: 'site.mov', size: 512_000_000, done: 180_000_000, rate: 9_400_000, state: 'running', url: null },
  { id: 'out-3', mine: true, from: '', name: 'minutes.odt', size: 82_000, done: 82_000, rate: 0, state: 'running', url: null, takers: { running: 1, done: 2 } },
]
const roomOver = (reason: Extract<Call, { kind: 'ended' }>['reason'], seconds = 0): State => ({ model: withCall({ kind: 'ended', person: null, to: '', room: 'kfw3-m8pz-x2aq', key: null, reason, seconds }) })
const quieter = { name: 'Bruno' }
const found: Model['people'] = [
  { person: ada, present: true, busy: false },
  { person: { id: 'adam', name: 'Adam', verified: false }, present: true, busy: true },
  { person: { id: 'adele', name: 'Adèle Haenel-Dupont de Nemours', verified: false }, present: false, busy: false },
]

export const states: Readonly<Record<string, State>> = {
  'first-run': { model: fresh, prefs: { name: '' } },
  'asking': { model: { ...fresh, camera: { kind: 'asking' }, microphone: { kind: 'asking' } }, prefs: { name: '' } },
  'start': { model: { ...base, people: [{ person: ada, present: true, busy: false }, { person: grace, present: false, busy: false }] }, prefs: { recent: ['Ada Lovelace', 'Grace'] } },
  'suggestions': { model: { ...base, people: found }, steps: [['[data-person-field]', 'Ad'], ['[data-person-field]', '\uE015']] },
  'denied': { model: { ...base, camera: { kind: 'denied' }, microphone: { kind: 'denied' }, devices: fresh.devices } },
  'denied-microphone': { model: { ...base, microphone: { kind: 'denied' } } },
  'no-device': { model: { ...base, camera: { kind: 'no-device' } } },
  'in-use': { model: { ...base, camera: { kind: 'in-use', detail: 'NotReadableError' } } },
  'insecure': { model: { ...base, camera: { kind: 'insecure' }, microphone: { kind: 'insecure' }, devices: fresh.devices } },
  'camera-off': { model: { ...base, camera: { kind: 'off' }, microphone: { ...microphone, muted: true } as Capture } },
  'server-reconnecting': { model: { ...base, server: { kind: 'reconnecting', attempt: 3, nextTry: now + 8_000 } } },
  'server-refused': { model: { ...base, server: { kind: 'refused', code: 'name', message: '' } } },
  'server-draining': { model: { ...base, server: { kind: 'online', draining: true } } },
  'link-call': { model: base, path: '/c/Ada%20Lovelace' },
  'link-meet': { model: fresh, path: '/r/abcd-efgh-jkmn', prefs: { name: '' } },
  'waiting': { model: withCall({ kind: 'waiting', room: 'kfw3-m8pz-x2aq', key: null }), path: '/r/kfw3-m8pz-x2aq' },
  'outgoing': { model: withCall({ kind: 'outgoing', id: 'x', to: 'Ada Lovelace', person: null, ringing: false }) },
  'ringing': { model: withCall({ kind: 'outgoing', id: 'x', to: 'Ada Lovelace', person: ada, ringing: true }) },
  'incoming': { model: withCall({ kind: 'incoming', id: 'x', from: ada, media: { audio: true, video: true } }) },
  'incoming-guest': { model: withCall({ kind: 'incoming', id: 'x', from: grace, media: { audio: true, video: false } }, { camera: { kind: 'off' } }) },
  'connecting': { model: inCall({ path: 'connecting', quality: { ...quality, verdict: 'unknown' }, safetyCode: null, remote: { camera: false, microphone: false, screen: false }, since: now }) },
  'running': { model: inCall() },
  'running-muted': { model: inCall({ remote: { camera: true, microphone: false, screen: false } }, { microphone: { ...microphone, muted: true } as Capture, camera: { kind: 'off' } }), prefs: { corner: 'top-right' } },
  'running-audio': { model: inCall({ remote: { camera: false, microphone: true, screen: false } }) },
  'running-more': { model: inCall(), ui: { more: true } },
  'running-chat': { model: inCall({ messages, files }), ui: { panel: 'chat' } },
  'running-chat-empty': { model: inCall(), ui: { panel: 'chat' } },
  'running-unread': { model: inCall({ messages: messages.slice(0, 3), files: files.slice(2) }), ui: { unread: 2 } },
  'running-transfer': { model: inCall({ files: files.slice(1, 2) }) },
  'running-details': { model: inCall(), ui: { panel: 'details' } },
  'running-details-poor': { model: inCall({ quality: { ...quality, verdict: 'poor', route: 'relayed', protocol: 'udp via tls', lossIn: 0.13, lossOut: 0.08, roundTrip: 0.412, bitrateIn: 318_000, width: 320, height: 180, framesPerSecond: 11 } }), ui: { panel: 'details' } },
  'running-their-screen': { model: inCall({ remote: { camera: true, microphone: true, screen: true } }) },
  'running-my-screen': { model: inCall({ sharingScreen: true }) },
  'reconnecting': { model: inCall({ path: 'reconnecting', quality: { ...quality, verdict: 'lost' } }) },
  'peer-away': { model: inCall({ peerPresent: false }, { server: { kind: 'reconnecting', attempt: 1, nextTry: now + 2_000 } }) },
  'ended-hung-up': ended('hung-up', 754),
  'ended-declined': ended('declined'),
  'ended-unavailable': ended('unavailable'),
  'ended-failed': ended('failed'),
  'running-people': { model: inCall({ room: 'kfw3-m8pz-x2aq' }), ui: { panel: 'people' } },
  'lobby': { model: withCall({ kind: 'lobby', id: 'r', room: 'kfw3-m8pz-x2aq', key: null }) },
  'groups-plan': { model: inRoom({ members: members(6) }), ui: { dialog: 'groups' } },
  'groups-on': { model: inRoom({ members: members(2), breakout: groups, breakoutEnds: now + 312_000 }), ui: { dialog: 'groups' } },
  'in-group': { model: inRoom({ id: 'group', you: 2, members: members(4), breakout: { ...groups, people: [], at: 1, yours: 1, closing: true }, breakoutEnds: now + 9_000 }) },
  'room-files': { model: inRoom({ messages: roomMessages, files: roomFiles }), ui: { panel: 'chat' } },
  'room-slow': { model: inRoom({ paused: { 0: { member: 2, source: 'camera' } }, uploadWeak: true }) },
  'room-entering': { model: inRoom({ path: 'connecting', members: members(3, () => ({ connected: false })), speaking: [] }) },
  'room-3': { model: inRoom({ members: members(3) }) },
  'room-4': { model: inRoom() },
  'room-networks': { model: inRoom({ members: members(5), qualities: { 2: 'poor', 3: 'fair', 4: 'good' } }) },
  'room-alone': { model: inRoom({ members: members(1), speaking: [] }) },
  'room-7': { model: inRoom({ members: members(7), speaking: [7], reactions: [{ id: 1, member: 2, reaction: '👏' }, { id: 2, member: 6, reaction: '❤️' }] }) },
  'room-12': { model: inRoom({ members: members(12), speaking: [9, 2] }) },
  'room-25': { model: inRoom({ members: members(25) }) },
  'room-49': { model: inRoom({ members: members(49) }) },
  'room-80': { model: inRoom({ members: members(80) }) },
  'room-speaker': { model: inRoom({ members: members(9), speaking: [6] }), prefs: { speakerView: true } },
  'room-screen': { model: inRoom({ members: members(6, one => (one.number === 4 ? { sending: { microphone: true, camera: true, screen: true } } : {})) }) },
  'room-two-screens': { model: inRoom({ members: members(20, one => (one.number === 4 || one.number === 2 ? { sending: { microphone: true, camera: true, screen: true } } : {})) }) },
  'room-pinned': { model: inRoom({ members: members(5) }), ui: { pinned: '3 camera' } },
  'room-my-screen': { model: inRoom({ sharingScreen: true }) },
  'room-more': { model: inRoom(), ui: { more: true } },
  'room-reacting': { model: inRoom(), ui: { reacting: true } },
  'room-people': { model: inRoom({ members: members(9), lobby: true, knocking: [{ number: 20, person: { id: 'k', name: 'Olympe', verified: false } }] }), ui: { panel: 'people' }, steps: [['.member:nth-child(4) .icon-button']] },
  'room-people-guest': { model: inRoom({ members: members(5), you: 2 }), ui: { panel: 'people' } },
  'room-knocking': { model: inRoom({ lobby: true, knocking: [{ number: 20, person: { id: 'k', name: 'Olympe', verified: false } }] }) },
  'room-chat': { model: inRoom({ messages: roomMessages }), ui: { panel: 'chat' } },
  'room-chat-empty': { model: inRoom(), ui: { panel: 'chat' } },
  'room-details': { model: inRoom(), ui: { panel: 'details' } },
  'room-muted': { model: inRoom({ mutedBy: 'Ada Lovelace', you: 3 }, { microphone: { ...microphone, muted: true } as Capture }) },
  'room-attendee': { model: inRoom({ you: 3, members: members(4, one => (one.number === 3 ? { role: 'attendee', sending: { microphone: false, camera: false, screen: false } } : {})) }, { camera: { kind: 'off' }, microphone: { kind: 'off' } }) },
  'room-lecture': { model: inRoom({ you: 3, title: 'Physics for poets', listeners: true, members: members(4, one => (one.number === 3 ? { role: 'attendee', hand: false, sending: { microphone: false, camera: false, screen: false } } : {})) }, { camera: { kind: 'off' }, microphone: { kind: 'off' } }) },
  'room-away': { model: inRoom({ members: members(4, one => (one.number === 2 ? { connected: false } : {})), speaking: [] }) },
  'room-reconnecting': { model: inRoom({ path: 'reconnecting', speaking: [], quality: { ...quality, verdict: 'lost' } }, { server: { kind: 'reconnecting', attempt: 1, nextTry: now + 2_000 } }) },
  'start-encrypted': { model: base, prefs: { encrypted: true } },
  'link-meet-encrypted': { model: base, path: '/r/abcd-efgh-jkmn', hash: '#k=AAAAAAAAAAAAAAAAAAAAAA' },
  'waiting-encrypted': { model: withCall({ kind: 'waiting', room: 'kfw3-m8pz-x2aq', key: 'q2hX0mV1aYw2m8r4xJo1kA' }), path: '/r/kfw3-m8pz-x2aq' },
  'room-encrypted': { model: inRoom(encrypted) },
  'room-encrypted-people': { model: inRoom(encrypted), ui: { panel: 'people' } },
  'room-encrypted-details': { model: inRoom(encrypted), ui: { panel: 'details' } },
  'room-not-encrypted': roomOver('not-encrypted'),
  'room-cannot-encrypt': roomOver('cannot-encrypt'),
  'room-left': roomOver('hung-up', 1854),
  'room-removed': roomOver('removed'),
  'room-locked': roomOver('room-locked'),
  'room-needs-token': roomOver('needs-token'),
  'invited': { model: base, path: '/r/physics', invitation: { token: 'x', name: 'Grace Hopper' } },
  'invited-wrong': { model: { ...base, server: { kind: 'refused', code: 'token', message: '' } }, path: '/r/physics', invitation: { token: 'x', name: '' } },
  'invited-expired': { model: { ...base, server: { kind: 'refused', code: 'token-expired', message: '' } }, path: '/r/physics', invitation: { token: 'x', name: 'Grace Hopper' } },
  'invited-early': { model: { ...base, server: { kind: 'refused', code: 'token-early', message: '' } }, path: '/r/physics', invitation: { token: 'x', name: 'Grace Hopper' } },
  'settings': { model: base, ui: { dialog: 'settings' } },
  'help': { model: inCall(), ui: { dialog: 'help' } },
}

export const usualPrefs: Partial<Prefs> = quieter
