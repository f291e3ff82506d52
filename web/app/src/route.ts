/** What the address of the page asks for. */
export type Route =
  | { readonly kind: 'start' }
  /** `/c/NAME`: call this person. */
  | { readonly kind: 'call'; readonly name: string }
  /** `/r/ROOM`: meet whoever holds the link. With `#k=KEY` the room is end-to-end encrypted; servers never see what follows the `#`. */
  | { readonly kind: 'meet'; readonly room: string; readonly key: string | null }

/** Reads a path and what follows the `#`. What is not a link of ours is the start. */
export function readRoute(path: string, hash = ''): Route {
  const match = /^\/([cr])\/([^/]+)\/?$/.exec(path)
  if (!match) return { kind: 'start' }
  let text: string
  try {
    text = decodeURIComponent(match[2] ?? '')
  } catch {
    return { kind: 'start' }
  }
  if (match[1] === 'c') return [...text].length <= 64 ? { kind: 'call', name: text } : { kind: 'start' }
  return /^[\w-]{1,64}$/.test(text) ? { kind: 'meet', room: text, key: new URLSearchParams(hash.replace(/^#/, '')).get('k') } : { kind: 'start' }
}

/** Where a route is. */
export function pathOf(route: Route): string {
  return route.kind === 'call' ? `/c/${encodeURIComponent(route.name)}` : route.kind === 'meet' ? meetLink('', route.room, route.key) : '/'
}

/** The link that calls a person. */
export function callLink(origin: string, name: string): string {
  return `${origin}/c/${encodeURIComponent(name)}`
}

/** The link of a meeting. */
export function meetLink(origin: string, room: string, key: string | null): string {
  return `${origin}/r/${room}${key === null ? '' : `#k=${key}`}`
}

/** A key for an encrypted room: 128 bits in base64url. */
export function freshKey(random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array = bytes => crypto.getRandomValues(bytes)): string {
  return btoa(String.fromCharCode(...random(new Uint8Array(16)))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** A room that nobody guesses, easy to read aloud: 12 letters and digits without the ambiguous ones, 59 bits. */
export function freshRoom(random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array = bytes => crypto.getRandomValues(bytes)): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789'
  let room = ''
  while (room.length < 12) {
    // 248 is the largest multiple of 31 in a byte: above it a letter would be likelier than the others.
    for (const byte of random(new Uint8Array(16))) if (byte < 248 && room.length < 12) room += letters[byte % 31]
  }
  return `${room.slice(0, 4)}-${room.slice(4, 8)}-${room.slice(8)}`
}
