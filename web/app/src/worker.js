// The service worker: keeps the shell (the page and what it is made of) so that the page opens without a network and
// can say so. It never touches the API or the WebSocket. The build fills in the two names below.
const version = __VERSION__
const files = __FILES__
const cacheName = `visavis-${version}`

self.addEventListener('install', event => {
  event.waitUntil(caches.open(cacheName).then(cache => cache.addAll(files)))
})

self.addEventListener('activate', event => {
  const old = name => name.startsWith('visavis-') && name !== cacheName
  event.waitUntil(
    caches.keys()
      .then(names => Promise.all(names.filter(old).map(name => caches.delete(name))))
      .then(() => self.clients.claim()),
  )
})

// The page asks for this once the person agreed to the new version.
self.addEventListener('message', event => {
  if (event.data === 'take-over') self.skipWaiting()
})

self.addEventListener('fetch', event => {
  const { request } = event
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== self.location.origin) return
  if (/^\/(ws|api|healthz|metrics)(\/|$)/.test(url.pathname)) return
  // The page itself comes from the network when there is one, so that a new server is met by its own page.
  if (request.mode === 'navigate') event.respondWith(fetch(request).catch(() => caches.match('/')))
  else event.respondWith(caches.match(request).then(found => found ?? fetch(request)))
})

// A click on "somebody is calling" brings the page back.
self.addEventListener('notificationclick', event => {
  event.notification.close()
  event.waitUntil(
    self.clients.matchAll({ type: 'window' }).then(windows => (windows[0] ? windows[0].focus() : self.clients.openWindow('/'))),
  )
})
