/** Where the page begins: the client, the app, the first screen. */
import { createClient } from '@visavis/client'
import FrameWorker from '@visavis/client/e2ee/worker.js?worker'
import { createRoot } from 'solid-js'
import { render } from 'solid-js/web'
import { App } from './App.jsx'
import './styles/index.css'
import { AppContext, type App as AppState } from './state/app.js'
import { browserFeatures, createApp } from './state/create.js'
import { startEffects } from './state/effects.js'
import { readRoute } from './route.js'
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
  const { name } = app.prefs()
  if (name !== '' && app.model().server.kind === 'offline') app.commands.connect(name)
  const [camera, microphone] = await Promise.all([allowed('camera'), allowed('microphone')])
  if (camera && app.model().camera.kind === 'off') void app.commands.openCamera(app.prefs().camera || undefined)
  if (microphone && app.model().microphone.kind === 'off') void app.commands.openMicrophone(app.prefs().microphone || undefined)
  if (app.prefs().speaker !== '') void app.commands.setSpeaker(app.prefs().speaker)
}

createRoot(() => {
  const client = createClient({ frameWorker: () => new FrameWorker() })
  const app = createApp({
    source: client,
    features: browserFeatures(),
    storage: storage(),
    path: location.pathname,
    hash: location.hash,
    languages: navigator.languages,
    become: identity => {
      client.close()
      if (identity === null) storage()?.removeItem(identityKey)
      else storage()?.setItem(identityKey, identity)
      location.reload()
    },
  })
  const root = document.getElementById('root')
  if (!root) throw new Error('The page has no element "root".')
  startEffects(app)
  render(() => <AppContext.Provider value={app}><App /></AppContext.Provider>, root)
  // Also when only what follows the # changes.
  window.addEventListener('popstate', () => app.setUi({ route: readRoute(location.pathname, location.hash) }))
  keepShell(app)
  void begin(app)
})
