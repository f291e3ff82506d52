/** Makes the app: follows the client's model, keeps the person's choices, and turns wishes into commands. */
import { frameConfiguration } from '@visavis/client/e2ee/line.js'
import type { Commands, Model, Streams } from '@visavis/client/model.js'
import type { Presence } from '@visavis/client/protocol.js'
import { createEffect, createMemo, createRoot, createSignal, onCleanup, untrack, type Accessor } from 'solid-js'
import { dictionaries, pickLanguage } from '../i18n/index.js'
import { meetLink, pathOf, readRoute, type Route } from '../route.js'
import { selfOf, talkOf, type Actions, type App, type Features, type Invitation, type Ui } from './app.js'
import { readPrefs, withRecent, writePrefs, type Prefs } from './prefs.js'

/** The client, as far as the page needs it. */
export interface Source {
  readonly commands: Commands
  model(): Model
  /** Calls back with each new model; the result stops that. */
  subscribe(listener: (model: Model) => void): () => void
}

export interface Options {
  readonly source: Source
  readonly features: Features
  readonly storage: Storage | null
  readonly path: string
  readonly invitation?: Invitation | null
  /** What follows the `#` of the address. */
  readonly hash?: string
  /** The languages the person reads, best first. */
  readonly languages: readonly string[]
  /** Takes up another identity, or none, and starts anew. */
  readonly become: (identity: string | null, name: string) => void
}

/** What this browser can do. */
export function browserFeatures(): Features {
  return {
    screen: typeof navigator.mediaDevices?.getDisplayMedia === 'function',
    fullScreen: document.fullscreenEnabled,
    picture: document.pictureInPictureEnabled,
    speaker: 'setSinkId' in HTMLMediaElement.prototype,
    notifications: 'Notification' in window && window.isSecureContext,
    passkeys: 'PublicKeyCredential' in window,
    encryption: frameConfiguration() !== null,
  }
}

/** A signal that follows something outside. */
function follow<T>(read: () => T, attach: (update: () => void) => () => void): Accessor<T> {
  const [value, setValue] = createSignal<T>(read())
  onCleanup(attach(() => setValue(() => read())))
  return value
}

/** Listens to an event of the window, and gives the way to stop. */
function listening(target: EventTarget, ...events: string[]): (update: () => void) => () => void {
  return update => {
    for (const event of events) target.addEventListener(event, update)
    return () => { for (const event of events) target.removeEventListener(event, update) }
  }
}

function sameStreams(a: Streams, b: Streams): boolean {
  return a.local === b.local && a.screen === b.screen && a.remote === b.remote && a.remoteVoice === b.remoteVoice && a.remoteScreen === b.remoteScreen
    && a.pictures === b.pictures && a.voices.length === b.voices.length && a.voices.every((voice, slot) => voice === b.voices[slot])
}

/** How often the presence of the people called lately is asked for, in milliseconds. */
const presenceEvery = 30_000

/** Gathers the directory's answers, and asks for the people called lately while nothing else goes on. */
function knownPeople(model: Accessor<Model>, commands: Commands, prefs: Accessor<Prefs>): App['known'] {
  const known = createMemo<ReadonlyMap<string, Presence>>(old => {
    const { people } = model()
    return people.every(one => old.get(one.person.name) === one) ? old : new Map([...old, ...people.map(one => [one.person.name, one] as const)])
  }, new Map())
  const idle = createMemo(() => model().server.kind === 'online' && model().call.kind === 'idle')
  createEffect(() => {
    if (!idle()) return
    const ask = (): void => { if (!document.hidden) for (const name of untrack(prefs).recent) commands.find(name) }
    ask()
    const timer = setInterval(ask, presenceEvery)
    onCleanup(() => clearInterval(timer))
  })
  return known
}

/** Makes the app inside a Solid root. */
export function createApp(options: Options): App {
  const { source, features, storage } = options
  const { commands } = source
  const model = follow(() => source.model(), update => source.subscribe(update))
  const streams = createMemo(() => { model(); return commands.streams() }, undefined, { equals: sameStreams })
  const [prefs, keepPrefs] = createSignal<Prefs>(readPrefs(storage))
  const setPrefs = (change: Partial<Prefs>): void => {
    keepPrefs({ ...untrack(prefs), ...change })
    writePrefs(storage, untrack(prefs))
  }
  const [ui, keepUi] = createSignal<Ui>({
    route: readRoute(options.path, options.hash), panel: null, dialog: null, more: false, reacting: false, pinned: null, flash: null, news: null,
    query: '', filesTo: null, intent: null, unread: 0, fullScreen: false, updateReady: false,
  })
  const setUi = (change: Partial<Ui>): void => { keepUi(old => ({ ...old, ...change })) }
  const lang = createMemo(() => { const choice = prefs().language; return choice === 'auto' ? pickLanguage(options.languages) : choice })
  const darkSystem = matchMedia('(prefers-color-scheme: dark)')
  const [announced, announce] = createSignal('')
  const systemDark = follow(() => darkSystem.matches, listening(darkSystem, 'change'))
  const app: App = {
    invitation: options.invitation ?? null,
    model, streams, commands, features, prefs, setPrefs, ui, setUi, lang,
    t: () => dictionaries[lang()],
    now: follow(() => Date.now(), update => { const timer = setInterval(update, 1000); return () => clearInterval(timer) }),
    online: follow(() => navigator.onLine, listening(window, 'online', 'offline')),
    dark: () => (prefs().theme === 'auto' ? systemDark() : prefs().theme === 'dark'),
    corner: () => prefs().corner,
    known: knownPeople(model, commands, prefs),
    become: (identity, name) => {
      setPrefs({ name, account: identity === null ? null : { name } })
      options.become(identity, name)
    },
    announced, announce: text => { announce(text) },
    actions: undefined as unknown as Actions,
  }
  return Object.assign(app, { actions: createActions(app) })
}

/** Resolves once the server answers; false if the person gave up or it will not. */
function untilOnline(app: App): Promise<boolean> {
  return new Promise(resolve => {
    createRoot(dispose => createEffect(() => {
      const { kind } = app.model().server
      const waiting = app.ui().intent !== null
      if (kind !== 'online' && kind !== 'refused' && waiting) return
      resolve(kind === 'online' && waiting)
      queueMicrotask(dispose)
    }))
  })
}

function createActions(app: App): Actions {
  const { commands, model, prefs, setPrefs, setUi } = app
  const openDevices = async (): Promise<void> => {
    const { camera, microphone } = model()
    await Promise.allSettled([
      camera.kind === 'on' ? null : commands.openCamera(prefs().camera || undefined),
      microphone.kind === 'on' ? null : commands.openMicrophone(prefs().microphone || undefined),
    ])
  }
  /** Everything a call needs first: the devices, unless the person has decided about them, and the server. */
  const prepared = async (): Promise<boolean> => {
    const { camera, microphone } = model()
    if (camera.kind === 'off' && microphone.kind === 'off') {
      setUi({ intent: { kind: 'devices' } })
      await openDevices()
    }
    setUi({ intent: { kind: 'server' } })
    const ready = await untilOnline(app)
    setUi({ intent: null })
    return ready
  }
  return {
    openDevices,
    setName: name => {
      const trimmed = name.trim().slice(0, 64)
      if (trimmed === '') return
      setPrefs({ name: trimmed })
      if (model().server.kind === 'online') { if (model().me?.name !== trimmed) commands.rename(trimmed) } else commands.connect(trimmed)
    },
    callPerson: name => {
      const to = name.trim()
      if (to === '' || app.ui().intent !== null) return
      setPrefs({ recent: withRecent(prefs().recent, to) })
      void prepared().then(ready => { if (ready) commands.call(to) })
    },
    meet: (room, key) => {
      if (app.ui().intent !== null) return
      void prepared().then(ready => { if (ready) commands.meet(room, key) })
    },
    accept: video => void commands.accept({ audio: true, video }),
    toggleMute: () => {
      const { microphone } = model()
      if (microphone.kind === 'on') commands.setMuted(!microphone.muted)
      else void commands.openMicrophone(prefs().microphone || undefined)
    },
    toggleCamera: () => {
      if (model().camera.kind === 'on') commands.closeCamera()
      else void commands.openCamera(prefs().camera || undefined)
    },
    toggleScreen: () => {
      if (talkOf(model())?.sharingScreen) commands.stopScreen()
      else commands.shareScreen().catch(() => undefined)
    },
    toggleHand: () => {
      const { call } = model()
      if (call.kind === 'room') commands.raiseHand(!selfOf(call)?.hand)
    },
    copyLink: () => void copyLink(app),
    ...windowActions(app),
  }
}

/** How long it is said that something was done, in milliseconds. */
const flashFor = 2500

/** The name of the room that the call is, once it has one; null if the call ends before. */
function untilRoom(app: App): Promise<string | null> {
  return new Promise(resolve => {
    createRoot(dispose => createEffect(() => {
      const call = talkOf(app.model())
      if (call !== null && call.room === null) return
      resolve(call?.room ?? null)
      queueMicrotask(dispose)
    }))
  })
}

async function copyLink(app: App): Promise<void> {
  const call = talkOf(app.model())
  if (call === null) return
  if (call.room === null) app.commands.openLink()
  const room = call.room ?? await untilRoom(app)
  if (room === null) return
  // Where the clipboard is not ours to write, the link is there to be read.
  if (!await app.actions.copy(meetLink(location.origin, room, call.key))) return app.setUi({ panel: 'people' })
  app.setUi({ flash: app.t().linkCopied })
  app.announce(app.t().linkCopied)
  setTimeout(() => app.setUi({ flash: null }), flashFor)
}

/** For whom files are; whoever has left is not meant any more. */
export function receiver(app: App): number | null {
  const { call } = app.model()
  const { filesTo } = app.ui()
  return call.kind === 'room' && call.members.some(({ number }) => number === filesTo) ? filesTo : null
}

/** What concerns the window, not the call. */
function windowActions(app: App): Pick<Actions, 'toggleFullScreen' | 'togglePicture' | 'chooseFiles' | 'go' | 'copy' | 'dismiss'> {
  const go = (route: Route): void => {
    const path = pathOf(route)
    if (location.pathname + location.hash !== path && !location.pathname.endsWith('.html')) history.pushState(null, '', path)
    app.setUi({ route })
  }
  return {
    go,
    dismiss: () => { app.commands.dismiss(); go({ kind: 'start' }) },
    toggleFullScreen: () => {
      const done = document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()
      done.catch(() => undefined)
    },
    togglePicture: () => {
      const video = document.querySelector<HTMLVideoElement>('video.friend, .seat.large video, .seat:not(:last-child) video')
      const done = document.pictureInPictureElement ? document.exitPictureInPicture() : video?.requestPictureInPicture()
      done?.catch(() => undefined)
    },
    chooseFiles: () => {
      const input = document.createElement('input')
      input.type = 'file'
      input.multiple = true
      input.onchange = () => {
        if (!input.files?.length) return
        app.commands.sendFiles([...input.files], receiver(app))
        app.setUi({ panel: 'chat' })
      }
      input.click()
    },
    copy: async text => {
      try {
        await navigator.clipboard.writeText(text)
        return true
      } catch {
        return copyBySelection(text)
      }
    },
  }
}

/** Copies where the clipboard's own interface is missing: pages that are not secure contexts. */
function copyBySelection(text: string): boolean {
  const field = document.createElement('textarea')
  field.value = text
  field.readOnly = true
  field.className = 'off-screen'
  document.body.append(field)
  field.select()
  const done = document.execCommand('copy')
  field.remove()
  return done
}
