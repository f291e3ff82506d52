/** What the state of the call does outside the page's own elements: sounds, title, icon, notification, wake lock. */
import { createEffect, createMemo, createSignal, on, onCleanup } from 'solid-js'
import { recordQuality } from '../parts/details.jsx'
import { play, wakeSound, type Tune } from '../sound.js'
import { selfOf, talkOf, type App } from './app.js'
import { changesOf, statusLine } from './words.js'

/** Starts all of them inside a Solid root. */
export function startEffects(app: App): void {
  document.addEventListener('pointerdown', wakeSound, { once: true })
  document.addEventListener('keydown', wakeSound, { once: true })
  soundOfCall(app)
  titleAndIcon(app)
  notification(app)
  wakeLock(app)
  unread(app)
  comingAndGoing(app)
  floor(app)
  feelings(app)
  appearance(app)
  const screen = (): void => app.setUi({ fullScreen: document.fullscreenElement !== null })
  document.addEventListener('fullscreenchange', screen)
  recordQuality(createMemo(() => talkOf(app.model())?.quality ?? null))
}

/** How long it is said that somebody was given the floor, in milliseconds. */
const floorFor = 8000

/** Says that we may speak from now on, or may not any more. */
function floor(app: App): void {
  const listens = createMemo(() => { const { call } = app.model(); const self = call.kind === 'room' ? selfOf(call) : null; return self && self.role === 'attendee' })
  createEffect(on(listens, (now, before) => {
    if (now === null || before === null || before === undefined || now === before) return
    const text = now ? app.t().floorTaken : app.t().floorGiven
    app.setUi({ flash: text })
    app.announce(text)
    setTimeout(() => { if (app.ui().flash === text) app.setUi({ flash: null }) }, floorFor)
  }))
}

function soundOfCall(app: App): void {
  const tune = createMemo<Tune | null>(before => {
    const { call } = app.model()
    switch (call.kind) {
      case 'incoming': return 'ring'
      case 'outgoing': return call.ringing ? 'ringback' : null
      case 'running': case 'room': return call.path === 'connecting' ? null : 'joined'
      case 'ended': return 'ended'
      case 'idle': return before === 'joined' ? 'ended' : null
      case 'waiting': case 'lobby': return null
    }
  }, null)
  const wanted = createMemo(() => app.prefs().sounds)
  createEffect(() => {
    const now = tune()
    if (now === null || !wanted()) return
    onCleanup(play(now))
  })
}

/** How long after a change of the call its icon follows, ms: it is another request, and painted by the browser's own process, while a call begins. */
const ICON_AFTER = 1000

/** While it rings the title alternates, so that a hidden tab is noticed. */
function titleAndIcon(app: App): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]')
  const [loaded, setLoaded] = createSignal(document.readyState === 'complete')
  // Another icon while the page still loads would hold back its load event.
  window.addEventListener('load', () => setTimeout(() => setLoaded(true)), { once: true })
  createEffect(() => {
    const { call } = app.model()
    const line = call.kind === 'idle' ? '' : statusLine(app.t(), app.model(), null, true, null)
    const flash = call.kind === 'incoming' && app.now() % 2000 < 1000
    document.title = line === '' ? 'Visavis' : flash ? `● ${line}` : `${line} · Visavis`
  })
  createEffect(() => {
    const { kind } = app.model().call
    const icon = kind === 'incoming' || kind === 'outgoing' ? '/mark-ringing.svg' : kind === 'running' || kind === 'room' ? '/mark-call.svg' : '/mark.svg'
    if (!loaded() || !link || link.getAttribute('href') === icon) return
    const timer = setTimeout(() => { link.href = icon }, kind === 'running' ? ICON_AFTER : 0)
    onCleanup(() => clearTimeout(timer))
  })
}

function notification(app: App): void {
  const caller = createMemo(() => { const { call } = app.model(); return call.kind === 'incoming' ? call.from.name : null })
  createEffect(on(caller, name => {
    if (name === null || !document.hidden || !app.prefs().notifications || Notification.permission !== 'granted') return
    const title = app.t().ringsTitle(name)
    const options = { body: app.t().ringsText, icon: '/icon-192.png', tag: 'visavis-call', requireInteraction: true }
    let shown: Notification | null = null
    try {
      shown = new Notification(title, options)
      shown.onclick = () => { window.focus(); shown?.close() }
    } catch {
      // Phones show notifications through the service worker alone.
      navigator.serviceWorker?.ready.then(worker => worker.showNotification(title, options)).catch(() => undefined)
    }
    onCleanup(() => {
      shown?.close()
      navigator.serviceWorker?.getRegistration().then(worker => worker?.getNotifications({ tag: 'visavis-call' }))
        .then(all => all?.forEach(one => one.close())).catch(() => undefined)
    })
  }))
}

/** Keeps the screen on during a call; the lock is lost whenever the page is hidden, so it is taken again. */
function wakeLock(app: App): void {
  const inCall = createMemo(() => talkOf(app.model()) !== null)
  const [visible, setVisible] = createSignal(!document.hidden)
  document.addEventListener('visibilitychange', () => setVisible(!document.hidden))
  createEffect(() => {
    if (!inCall() || !visible() || !('wakeLock' in navigator)) return
    const lock = navigator.wakeLock.request('screen').catch(() => null)
    onCleanup(() => void lock.then(held => held?.release()).catch(() => undefined))
  })
}

/** Counts and announces what the other wrote while the chat was closed. */
function unread(app: App): void {
  const theirs = createMemo(() => talkOf(app.model())?.messages.filter(message => !message.mine).length ?? 0)
  createEffect(on(theirs, (now, before = 0) => {
    if (now === 0) { app.setUi({ unread: 0 }); return }
    if (now <= before) return
    const call = talkOf(app.model())
    const last = call?.messages.findLast(message => !message.mine)
    if (call && last) app.announce(app.t().said(last.from, last.text))
    if (app.prefs().sounds) play('message')
    if (app.ui().panel !== 'chat') app.setUi({ unread: app.ui().unread + now - before })
  }))
  createEffect(on(createMemo(() => talkOf(app.model()) !== null), () => app.setUi({ panel: null, more: false, reacting: false, pinned: null })))
}

/** How long the status line tells who came or went, in milliseconds. */
const newsFor = 5000

function comingAndGoing(app: App): void {
  let timer: ReturnType<typeof setTimeout> | undefined
  const room = createMemo(() => { const { call } = app.model(); return call.kind === 'room' ? call : null })
  createEffect(on(room, (now, before) => {
    const news = now && before && now.id === before.id && now.members !== before.members ? changesOf(app.t(), before.members, now.members) : null
    if (news !== null) app.setUi({ news })
    if (news === null && now !== null) return
    clearTimeout(timer)
    timer = setTimeout(() => app.setUi({ news: null }), now === null ? 0 : newsFor)
  }))
}

/** Says the feelings that others show, for who does not see them rise. */
function feelings(app: App): void {
  const last = createMemo(() => { const { call } = app.model(); return call.kind === 'room' ? call.reactions.at(-1) : undefined }, undefined, { equals: (a, b) => a?.id === b?.id })
  createEffect(on(last, reaction => {
    const { call } = app.model()
    if (!reaction || call.kind !== 'room' || reaction.member === call.you) return
    const name = call.members.find(({ number }) => number === reaction.member)?.person.name
    if (name) app.announce(`${name}: ${reaction.reaction}`)
  }))
}

function appearance(app: App): void {
  createEffect(() => { document.documentElement.lang = app.lang() })
  createEffect(() => {
    const { theme } = app.prefs()
    if (theme === 'auto') delete document.documentElement.dataset['theme']
    else document.documentElement.dataset['theme'] = theme
  })
}
