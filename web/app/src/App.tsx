/** The page: a header, a line that says how things stand, and the screen for the state of the call. */
import type { Call } from '@visavis/client/model.js'
import { createEffect, createMemo, Match, on, onCleanup, onMount, Show, Switch, untrack, type JSX } from 'solid-js'
import { commandOf, commands, situation } from './commands.js'
import { ActionButton } from './parts/basics.jsx'
import { Dialogs } from './parts/dialogs.jsx'
import { Icon, Mark } from './parts/icons.jsx'
import { EndedScreen, IncomingScreen, LobbyScreen, OutgoingScreen, WaitingScreen } from './screens/ringing.jsx'
import { RoomScreen } from './screens/room.jsx'
import { createFriend, RunningScreen } from './screens/running.jsx'
import { StartScreen } from './screens/start.jsx'
import { talkOf, useApp, type App as AppState } from './state/app.js'
import { serverNotice, statusLine } from './state/words.js'

function Header(): JSX.Element {
  const app = useApp()
  return (
    <header class="top">
      <a class="brand" href="/" onClick={event => { event.preventDefault(); app.actions.go({ kind: 'start' }) }}><Mark /><span>Visavis</span></a>
      <nav class="tools">
        <ActionButton icon="keyboard" label={app.t().help} iconOnly class="icon-button wide-only" onClick={() => commands.help.run(app)} />
        <ActionButton icon={app.dark() ? 'sun' : 'moon'} label={app.dark() ? app.t().toLight : app.t().toDark} iconOnly class="icon-button"
          onClick={() => app.setPrefs({ theme: app.dark() ? 'light' : 'dark' })} />
        <button type="button" class="icon-button text" lang={app.lang() === 'en' ? 'fr' : 'en'} title={app.lang() === 'en' ? 'Français' : 'English'}
          aria-label={app.lang() === 'en' ? 'FR, Français' : 'EN, English'} onClick={() => app.setPrefs({ language: app.lang() === 'en' ? 'fr' : 'en' })}>
          {app.lang() === 'en' ? 'FR' : 'EN'}
        </button>
        <ActionButton icon="settings" label={app.t().settings} iconOnly class="icon-button" onClick={() => commands.settings.run(app)} />
      </nav>
    </header>
  )
}

/** What there is to say about the server, in one slim bar; and that a new version waits. */
function Bars(): JSX.Element {
  const app = useApp()
  const inCall = (): boolean => talkOf(app.model()) !== null
  const notice = (): ReturnType<typeof serverNotice> => serverNotice(app.t(), app.model().server, inCall(), app.online(), app.now())
  return (
    <div class="bars" role="region" aria-label={app.t().server}>
      <Show when={notice()}>
        {now => (
          <div class="bar" data-tone={now().tone}>
            <Icon name="warning" /><span>{now().text}</span>
            <Show when={now().action === 'reload'}><button type="button" class="link-button" onClick={() => location.reload()}>{app.t().reload}</button></Show>
          </div>
        )}
      </Show>
      <Show when={app.ui().updateReady && app.model().call.kind === 'idle'}>
        <div class="bar" data-tone="calm">
          <Icon name="repeat" /><span>{app.t().updateReady}</span>
          <button type="button" class="link-button" onClick={() => window.dispatchEvent(new Event('visavis-update'))}>{app.t().reload}</button>
        </div>
      </Show>
    </div>
  )
}

/** Single keys for commands, and Escape for whatever is open. */
function listenToKeys(app: AppState): void {
  const onKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.repeat || app.ui().dialog !== null) return
    if (event.key === 'Escape') {
      if (app.ui().more || app.ui().reacting) app.setUi({ more: false, reacting: false })
      else if (app.ui().panel !== null) app.setUi({ panel: null })
      return
    }
    const target = event.target as HTMLElement | null
    if (target?.closest('input, textarea, select, [contenteditable]') || !app.prefs().singleKeys) return
    const command = commandOf(event, situation(app))
    if (!command) return
    event.preventDefault()
    command.run(app)
  }
  onMount(() => document.addEventListener('keydown', onKey))
  onCleanup(() => document.removeEventListener('keydown', onKey))
}

/** Leads the focus to the new screen when the state of the call changes, unless the person is typing elsewhere. */
function moveFocus(app: AppState, main: () => HTMLElement): void {
  createEffect(on(createMemo(() => `${app.model().call.kind} ${app.ui().route.kind}`), () => {
    const active = document.activeElement
    if (active && active !== document.body && active.isConnected && active.closest('dialog, .panel')) return
    queueMicrotask(() => main().querySelector<HTMLElement>('h1, .stage')?.focus({ preventScroll: true }))
  }, { defer: true }))
}

function call<K extends Call['kind']>(app: AppState, kind: K): Extract<Call, { kind: K }> | undefined {
  const now = app.model().call
  return now.kind === kind ? (now as Extract<Call, { kind: K }>) : undefined
}

export function App(): JSX.Element {
  const app = useApp()
  let main!: HTMLElement
  let shelf!: HTMLDivElement
  listenToKeys(app)
  moveFocus(app, () => main)
  const kind = (): Call['kind'] => app.model().call.kind
  const view = (): string => (kind() === 'idle' || kind() === 'waiting' ? 'start' : kind() === 'running' || kind() === 'room' ? 'running' : 'ringing')
  const engaged = createMemo(() => ['outgoing', 'incoming', 'running'].includes(kind()))
  const friend = createMemo(() => (engaged() ? createFriend(app) : null))
  createEffect(() => { if (untrack(kind) !== 'running') shelf.append(...friend()?.elements ?? []) })
  const line = (): string => statusLine(app.t(), app.model(), app.ui().intent, app.prefs().name !== '', app.ui().news)
  return (
    <div class="app" data-view={view()} data-call={kind()} data-panel={view() === 'running' ? app.ui().panel ?? 'none' : 'none'}>
      <Show when={view() !== 'running'}><Header /></Show>
      <Bars />
      <main ref={main} class="view">
        <p role="status" class="status" data-server={app.model().server.kind}>{line()}</p>
        <Switch>
          <Match when={call(app, 'idle')}><StartScreen /></Match>
          <Match when={call(app, 'outgoing')}>{now => <OutgoingScreen call={now()} />}</Match>
          <Match when={call(app, 'incoming')}>{now => <IncomingScreen call={now()} />}</Match>
          <Match when={call(app, 'waiting')}>{now => <WaitingScreen call={now()} />}</Match>
          <Match when={friend() && call(app, 'running')}>{now => <RunningScreen call={now()} friend={friend()!} />}</Match>
          <Match when={call(app, 'lobby')}><LobbyScreen /></Match>
          <Match when={call(app, 'room')}>{now => <RoomScreen room={now()} />}</Match>
          <Match when={call(app, 'ended')}>{now => <EndedScreen call={now()} />}</Match>
        </Switch>
        <div ref={shelf} class="early" aria-hidden="true" />
      </main>
      <Dialogs />
      <p class="sr-only" aria-live="polite">{app.announced()}</p>
    </div>
  )
}
