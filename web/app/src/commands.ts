/** Everything a person can do by a button or a key: one table. */
import type { Model } from '@visavis/client/model.js'
import type { Dictionary } from './i18n/index.js'
import type { IconName } from './parts/icons.jsx'
import { selfOf, talkOf, type App, type Features, type Ui } from './state/app.js'

export type CommandId =
  | 'mute' | 'camera' | 'screen' | 'chat' | 'file' | 'details' | 'fullScreen' | 'picture' | 'fill'
  | 'people' | 'hand' | 'speakerView' | 'link' | 'groups' | 'record' | 'recordings' | 'settings' | 'help' | 'hangUp' | 'accept' | 'acceptAudio' | 'decline'

/** What decides whether a command can be given and how its button looks. */
export interface Situation {
  readonly model: Model
  readonly ui: Ui
  readonly features: Features
  readonly fill: boolean
  readonly speakerView: boolean
}

export interface Command {
  readonly id: CommandId
  /** The accessible name: it stays the same in both positions of a toggle. */
  readonly name: (t: Dictionary) => string
  readonly icon: (now: Situation) => IconName
  /** As KeyboardEvent.key gives it, `Shift+` before it where needed; null when there is none. */
  readonly key: string | null
  /** For toggles: whether it is on. */
  readonly pressed?: (now: Situation) => boolean
  /** For toggles: whether its button should stand out, because something is off that is usually on. */
  readonly alert?: (now: Situation) => boolean
  readonly available: (now: Situation) => boolean
  readonly run: (app: App) => void
}

const running = ({ model }: Situation): boolean => talkOf(model) !== null
const inRoom = ({ model }: Situation): boolean => model.call.kind === 'room'
/** Whether we may send in this call. An attendee looks and listens. */
const mayPresent = ({ model: { call } }: Situation): boolean => call.kind !== 'room' || selfOf(call)?.role !== 'attendee'
/** Whether we may have this room recorded: not if it is encrypted, of which the server could keep no more than noise. */
const owning = ({ model: { call } }: Situation): boolean => call.kind === 'room' && selfOf(call)?.role === 'owner' && call.encryption === null && call.main === call.id
/** Whether we may divide this room into groups. */
const dividing = ({ model: { call } }: Situation): boolean => call.kind === 'room' && selfOf(call)?.role === 'owner'
const recording = ({ model: { call } }: Situation): boolean => call.kind === 'room' && call.recording !== null
const ringing = ({ model }: Situation): boolean => model.call.kind === 'incoming'
const always = (): boolean => true
const beforeOrIn = (now: Situation): boolean => now.model.call.kind !== 'ended' && mayPresent(now)
const muted = ({ model }: Situation): boolean => model.microphone.kind !== 'on' || model.microphone.muted
const filming = ({ model }: Situation): boolean => model.camera.kind === 'on' && !model.camera.muted
const sharing = ({ model }: Situation): boolean => talkOf(model)?.sharingScreen ?? false

export const commands: Readonly<Record<CommandId, Command>> = {
  mute: {
    id: 'mute', name: t => t.mute, key: 'm', icon: now => (muted(now) ? 'micOff' : 'mic'),
    pressed: muted, alert: muted, available: beforeOrIn, run: app => app.actions.toggleMute(),
  },
  camera: {
    id: 'camera', name: t => t.camera, key: 'v', icon: now => (filming(now) ? 'camera' : 'cameraOff'),
    pressed: filming, alert: now => !filming(now), available: beforeOrIn, run: app => app.actions.toggleCamera(),
  },
  screen: {
    id: 'screen', name: t => t.shareScreen, key: 's', icon: () => 'screen',
    pressed: sharing, available: now => running(now) && mayPresent(now) && now.features.screen, run: app => app.actions.toggleScreen(),
  },
  chat: {
    id: 'chat', name: t => t.chat, key: 'c', icon: () => 'chat', pressed: ({ ui }) => ui.panel === 'chat',
    available: running, run: app => app.setUi({ panel: app.ui().panel === 'chat' ? null : 'chat', more: false }),
  },
  people: {
    id: 'people', name: t => t.peoplePanel, key: 'u', icon: () => 'people', pressed: ({ ui }) => ui.panel === 'people',
    available: running, run: app => app.setUi({ panel: app.ui().panel === 'people' ? null : 'people', more: false }),
  },
  hand: {
    id: 'hand', name: t => t.raiseHand, key: 'h', icon: () => 'hand', pressed: ({ model: { call } }) => call.kind === 'room' && (selfOf(call)?.hand ?? false),
    available: inRoom, run: app => app.actions.toggleHand(),
  },
  speakerView: {
    id: 'speakerView', name: t => t.speakerView, key: 'l', icon: () => 'layout', pressed: now => now.speakerView,
    available: inRoom, run: app => app.setPrefs({ speakerView: !app.prefs().speakerView }),
  },
  link: {
    id: 'link', name: t => t.copyLink, key: 'k', icon: () => 'link', available: running,
    run: app => { app.setUi({ more: false }); app.actions.copyLink() },
  },
  record: {
    id: 'record', name: t => t.record, key: 'r', icon: () => 'record', pressed: recording, available: owning,
    run: app => {
      app.setUi({ more: false })
      const { call } = app.model()
      if (call.kind === 'room') app.commands.moderate({ kind: 'record', on: call.recording === null })
    },
  },
  groups: {
    id: 'groups', name: t => t.groups, key: 'g', icon: () => 'groups', available: dividing,
    run: app => app.setUi({ dialog: 'groups', more: false }),
  },
  recordings: {
    id: 'recordings', name: t => t.recordings, key: null, icon: () => 'play', available: always,
    run: app => app.setUi({ dialog: 'recordings', more: false }),
  },
  file: {
    id: 'file', name: t => t.sendFile, key: 'f', icon: () => 'file', available: running,
    run: app => { app.setUi({ more: false }); app.actions.chooseFiles() },
  },
  details: {
    id: 'details', name: t => t.details, key: 'i', icon: () => 'info', pressed: ({ ui }) => ui.panel === 'details',
    available: running, run: app => app.setUi({ panel: app.ui().panel === 'details' ? null : 'details', more: false }),
  },
  fullScreen: {
    id: 'fullScreen', name: t => t.fullScreen, key: 'w', icon: () => 'expand', pressed: ({ ui }) => ui.fullScreen,
    available: now => running(now) && now.features.fullScreen, run: app => app.actions.toggleFullScreen(),
  },
  picture: {
    id: 'picture', name: t => t.picture, key: 'p', icon: () => 'picture',
    available: now => running(now) && now.features.picture, run: app => app.actions.togglePicture(),
  },
  fill: {
    id: 'fill', name: t => t.fill, key: 'z', icon: () => 'fit', pressed: now => now.fill,
    available: running, run: app => app.setPrefs({ fill: !app.prefs().fill }),
  },
  settings: {
    id: 'settings', name: t => t.settings, key: ',', icon: () => 'settings', available: always,
    run: app => app.setUi({ dialog: 'settings', more: false }),
  },
  help: {
    id: 'help', name: t => t.help, key: '?', icon: () => 'keyboard', available: always,
    run: app => app.setUi({ dialog: 'help', more: false }),
  },
  hangUp: {
    id: 'hangUp', name: t => t.hangUp, key: 'Shift+H', icon: () => 'hangUp',
    available: now => running(now) || now.model.call.kind === 'outgoing', run: app => app.commands.hangUp(),
  },
  accept: {
    id: 'accept', name: t => t.accept, key: 'a', icon: () => 'phone', available: ringing,
    run: app => app.actions.accept(true),
  },
  acceptAudio: {
    id: 'acceptAudio', name: t => t.acceptAudio, key: 'Shift+A', icon: () => 'cameraOff', available: ringing,
    run: app => app.actions.accept(false),
  },
  decline: {
    id: 'decline', name: t => t.decline, key: 'd', icon: () => 'hangUp', available: ringing,
    run: app => app.commands.decline(),
  },
}

/** What a command's buttons need to know, from the app. */
export function situation(app: App): Situation {
  return { model: app.model(), ui: app.ui(), features: app.features, fill: app.prefs().fill, speakerView: app.prefs().speakerView }
}

/** The command of a key press, if it can be given now; null for keys that are not ours. */
export function commandOf(press: { key: string, shiftKey: boolean, ctrlKey: boolean, altKey: boolean, metaKey: boolean }, now: Situation): Command | null {
  if (press.ctrlKey || press.altKey || press.metaKey) return null
  const letter = /^[a-z]$/i.test(press.key)
  const key = letter ? (press.shiftKey ? `Shift+${press.key.toUpperCase()}` : press.key.toLowerCase()) : press.key
  return Object.values(commands).find(command => command.key === key && command.available(now)) ?? null
}
