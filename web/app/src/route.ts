import type { Invitation } from './state/app.js'

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

/** The join token in what stands behind the `#`; null if there is none that could be one. */
export function readInvitation(fragment: string): Invitation | null {
  const token = new URLSearchParams(fragment.replace(/^#/, '')).get('token')
  if (token === null || !/^[\w.-]{1,4096}$/.test(token)) return null
  try {
    const body = token.split('.')[1] ?? ''
    const bytes = Uint8Array.from(atob(body.replace(/-/g, '+').replace(/_/g, '/')), letter => letter.charCodeAt(0))
    const { name } = JSON.parse(new TextDecoder().decode(bytes)) as { name?: unknown }
    return { token, name: typeof name === 'string' ? name : '' }
  } catch {
    // The server says what is wrong with it.
    return { token, name: '' }
  }
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

/** Where an encoder publishes into a room (WHIP). */
export function whipAddress(origin: string, room: string): string {
  return `${origin}/whip/${room}`
}

/** Where a player watches a room (WHEP). */
export function whepAddress(origin: string, room: string): string {
  return `${origin}/whep/${room}`
}

/** The room that `/watch/ROOM` shows; null for other paths. */
export function readWatch(path: string): string | null {
  return /^\/watch\/([\w-]{1,64})\/?$/.exec(path)?.[1] ?? null
}

/** The page that only watches. */
export function watchLink(origin: string, room: string): string {
  return `${origin}/watch/${room}`
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
