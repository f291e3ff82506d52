/** Where the page begins: the client, the app, the first screen. */
import { createClient } from '@visavis/client'
import FrameWorker from '@visavis/client/e2ee/worker.js?worker'
import { createRoot } from 'solid-js'
import { render } from 'solid-js/web'
import { App } from './App.jsx'
import './styles/index.css'
import { AppContext, type App as AppState, type Invitation } from './state/app.js'
import { browserFeatures, createApp } from './state/create.js'
import { startEffects } from './state/effects.js'
import { dictionaries, pickLanguage } from './i18n/index.js'
import { readInvitation, readRoute, readWatch } from './route.js'
import { WatchScreen } from './screens/watch.jsx'
import { keepShell } from './shell.js'

/** The client keeps the identity under this name for all tabs. */
const identityKey = 'visavis.identity'

/** What keeps data across visits; null where the browser forbids it. */
function storage(): Storage | null {
  try {
    return window.localStorage
  } catch {
    return null
  }
}

/** Whether the browser has allowed camera or microphone before: then nobody need be asked again. */
async function allowed(name: 'camera' | 'microphone'): Promise<boolean> {
  try {
    return (await navigator.permissions.query({ name: name as PermissionName })).state === 'granted'
  } catch {
    return false
  }
}

/** Shows you to yourself at once where that needs no question, and connects under the name given last time. */
async function begin(app: AppState): Promise<void> {
  const name = app.invitation?.name ?? app.prefs().name
  if ((name !== '' || app.invitation) && app.model().server.kind === 'offline') app.commands.connect(name)
  const [camera, microphone] = await Promise.all([allowed('camera'), allowed('microphone')])
  if (camera && app.model().camera.kind === 'off') void app.commands.openCamera(app.prefs().camera || undefined)
  if (microphone && app.model().microphone.kind === 'off') void app.commands.openMicrophone(app.prefs().microphone || undefined)
  if (app.prefs().speaker !== '') void app.commands.setSpeaker(app.prefs().speaker)
}

/** Where the join token is kept for the next page of this tab, with the room that it opens. */
const invitationKey = 'visavis.token'

/** Takes the join token out of the address, where others might see or copy it, and keeps it for a reload. */
function takeInvitation(): Invitation | null {
  const found = readInvitation(location.hash)
  const kept = (): Invitation | null => {
    const [path, token] = sessionStorage.getItem(invitationKey)?.split(' ') ?? []
    return path === location.pathname && token !== undefined ? readInvitation(`#token=${token}`) : null
  }
  try {
    if (found === null) return kept()
    sessionStorage.setItem(invitationKey, `${location.pathname} ${found.token}`)
  } catch {
    // Without a store of the tab the token stays in the address.
    return found
  }
  const rest = new URLSearchParams(location.hash.slice(1))
  rest.delete('token')
  history.replaceState(history.state, '', `${location.pathname}${location.search}${rest.size > 0 ? `#${rest}` : ''}`)
  return found
}

/** The page that calls. */
function call(root: HTMLElement): void {
  const invitation = takeInvitation()
  const client = createClient({ frameWorker: () => new FrameWorker(), ...(invitation ? { token: invitation.token } : {}) })
  const app = createApp({
    source: client,
    features: browserFeatures(),
    storage: storage(),
    path: location.pathname,
    invitation,
    hash: location.hash,
    languages: navigator.languages,
    become: identity => {
      client.close()
      if (identity === null) storage()?.removeItem(identityKey)
      else storage()?.setItem(identityKey, identity)
      location.reload()
    },
  })
  startEffects(app)
  render(() => <AppContext.Provider value={app}><App /></AppContext.Provider>, root)
  // Also when only what follows the # changes.
  window.addEventListener('popstate', () => app.setUi({ route: readRoute(location.pathname, location.hash) }))
  keepShell(app)
  void begin(app)
}

/** The page that only watches. The key stands behind the `#`, which no server is told. */
function watchOnly(root: HTMLElement, room: string): void {
  const lang = pickLanguage(navigator.languages)
  document.documentElement.lang = lang
  document.title = `${dictionaries[lang].watchTitle} · Visavis`
  render(() => <WatchScreen room={room} accessKey={location.hash.slice(1) || null} t={dictionaries[lang]} />, root)
}

createRoot(() => {
  const root = document.getElementById('root')
  if (!root) throw new Error('The page has no element "root".')
  const room = readWatch(location.pathname)
  if (room === null) call(root)
  else watchOnly(root, room)
})
