/** The service worker's side in the page: the page opens without a network, and a new version is offered, not forced. */
import type { App } from './state/app.js'

/** Registers the worker; absent in development and outside secure contexts. */
export function keepShell(app: App): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return
  const hadWorker = navigator.serviceWorker.controller !== null
  let agreed = false
  const start = async (): Promise<void> => {
    const registration = await navigator.serviceWorker.register('/sw.js')
    const offer = (): void => { if (registration.waiting && hadWorker) app.setUi({ updateReady: true }) }
    offer()
    registration.addEventListener('updatefound', () => registration.installing?.addEventListener('statechange', offer))
    window.addEventListener('visavis-update', () => {
      agreed = true
      registration.waiting?.postMessage('take-over')
    })
  }
  navigator.serviceWorker.addEventListener('controllerchange', () => { if (agreed) location.reload() })
  // Not before the page is there: the first visit should not wait for what only the second one needs.
  window.addEventListener('load', () => { start().catch(() => undefined) }, { once: true })
}
