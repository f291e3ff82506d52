/**
 * Shows one state of the page without a server: `gallery.html?state=NAME&theme=dark&lang=fr`. Without a state, a list.
 */
import type { Commands, Model, RoomCall, Streams } from '@visavis/client/model.js'
import { createRoot } from 'solid-js'
import { render } from 'solid-js/web'
import { App } from '../../src/App.jsx'
import '../../src/styles/index.css'
import { AppContext } from '../../src/state/app.js'
import { browserFeatures, createApp, type Source } from '../../src/state/create.js'
import { startEffects } from '../../src/state/effects.js'
import { defaults, writePrefs } from '../../src/state/prefs.js'
import { tileKey } from '@visavis/client/model.js'
import { ada, anybody, bruno, portrait, screenPicture } from './pictures.js'
import { states, usualPrefs } from './states.js'

const query = new URLSearchParams(location.search)
const state = states[query.get('state') ?? '']

/** A client that shows one model for ever, except that the numbers of a call move. */
function fake(first: Model): Source {
  let model = first
  const listeners = new Set<(model: Model) => void>()
  const call = first.call
  if (call.kind === 'running') {
    for (let i = 0; i < 40; i += 1) setTimeout(() => {
      const quality = { ...call.quality, bitrateIn: call.quality.bitrateIn * (0.85 + 0.2 * Math.abs(Math.sin(i / 4))), bitrateOut: call.quality.bitrateOut * (0.9 + 0.1 * Math.cos(i / 5)), roundTrip: (call.quality.roundTrip ?? 0) * (1 + 0.2 * Math.sin(i)) }
      model = { ...model, call: { ...call, quality: i === 39 ? call.quality : quality } }
      for (const listener of listeners) listener(model)
    }, i * 5)
  }
  const on = (kind: string): boolean => kind === 'on'
  const remote = call.kind === 'running' ? call.remote : null
  const streams: Streams = {
    local: on(model.camera.kind) ? portrait(bruno, 960, 720) : null,
    screen: (call.kind === 'running' || call.kind === 'room') && call.sharingScreen ? screenPicture() : null,
    remote: remote?.camera ? portrait(ada) : remote ? new MediaStream() : null,
    remoteVoice: remote && new MediaStream(),
    remoteScreen: remote?.screen ? screenPicture() : null,
    pictures: call.kind === 'room' ? pictures(call) : new Map(),
    voices: call.kind === 'room' ? [new MediaStream()] : [],
  }
  const nothing = (): void => undefined
  const later = (): Promise<void> => Promise.resolve()
  const commands: Commands = {
    connect: nothing, rename: nothing, find: nothing, openCamera: later, closeCamera: nothing, openMicrophone: later, closeMicrophone: nothing,
    setMuted: nothing, setSpeaker: later, call: nothing, meet: nothing, accept: later, decline: nothing, hangUp: nothing, dismiss: nothing,
    shareScreen: later, stopScreen: nothing, say: nothing, sendFiles: nothing, takeFile: nothing, refuseFile: nothing, cancelFile: nothing,
    openLink: nothing, arrange: nothing, raiseHand: nothing, react: nothing, moderate: nothing, breakout: nothing, askKey: nothing,
    streams: () => streams, level: () => 0.32,
  }
  return { commands, model: () => model, subscribe: listener => { listeners.add(listener); return () => listeners.delete(listener) } }
}

/** A picture for everybody who sends one: few are drawn, because a machine without a graphics card draws slowly. */
function pictures(room: RoomCall): ReadonlyMap<string, MediaStream> {
  const drawn = Array.from({ length: Math.min(8, room.members.length) }, (_, index) => portrait(anybody(index), 480, 270))
  const found = new Map<string, MediaStream>()
  for (const { number, sending } of room.members) {
    const face = drawn[number % drawn.length]
    if (sending.camera && face && room.path !== 'connecting') found.set(tileKey({ member: number, source: 'camera' }), face)
    if (sending.screen) found.set(tileKey({ member: number, source: 'screen' }), screenPicture())
  }
  return found
}

/** Storage that forgets. */
function memory(): Storage {
  const kept = new Map<string, string>()
  return {
    get length() { return kept.size }, clear: () => kept.clear(), key: i => [...kept.keys()][i] ?? null,
    getItem: key => kept.get(key) ?? null, setItem: (key, value) => { kept.set(key, value) }, removeItem: key => { kept.delete(key) },
  }
}

function list(): void {
  const root = document.getElementById('root')
  for (const name of Object.keys(states)) {
    const link = document.createElement('a')
    link.href = `?state=${name}`
    link.textContent = name
    const line = document.createElement('p')
    line.append(link)
    root?.append(line)
  }
}

if (!state) list()
else createRoot(() => {
  const storage = memory()
  writePrefs(storage, {
    ...defaults, sounds: false, ...usualPrefs, ...state.prefs, theme: query.get('theme') === 'dark' ? 'dark' : 'light', language: query.get('lang') === 'fr' ? 'fr' : 'en',
  })
  const app = createApp({ source: fake(state.model), features: { ...browserFeatures(), screen: true, picture: true, encryption: true }, storage, path: state.path ?? '/', hash: state.hash ?? '', invitation: state.invitation ?? null, languages: ['en'], become: () => undefined })
  startEffects(app)
  render(() => <AppContext.Provider value={app}><App /></AppContext.Provider>, document.getElementById('root')!)
  queueMicrotask(() => { if (state.ui) app.setUi(state.ui) })
})

declare global { interface Window { states: Record<string, { steps: readonly (readonly [string, string?])[] }> } }
window.states = Object.fromEntries(Object.entries(states).map(([name, { steps }]) => [name, { steps: steps ?? [] }]))
