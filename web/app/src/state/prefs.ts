/** What the person chose, kept in this browser. */
import type { Corner } from '../snap.js'
import type { Language } from '../i18n/index.js'

export interface Prefs {
  readonly name: string
  readonly language: Language | 'auto'
  readonly theme: 'auto' | 'light' | 'dark'
  readonly camera: string
  readonly microphone: string
  readonly speaker: string
  readonly sounds: boolean
  readonly notifications: boolean
  readonly singleKeys: boolean
  readonly corner: Corner
  /** Whether the friend's picture fills the window, cut at the edges. */
  readonly fill: boolean
  /** Whether in a room whoever speaks is large, and the others small. */
  readonly speakerView: boolean
  /** Whether the links of new meetings hold a key. */
  readonly encrypted: boolean
  /** Names called lately, newest first. */
  readonly recent: readonly string[]
  /** The login token of an account; null for a guest. A secret. */
  readonly account: { readonly name: string } | null
}

export const defaults: Prefs = {
  name: '',
  language: 'auto',
  theme: 'auto',
  camera: '',
  microphone: '',
  speaker: '',
  sounds: true,
  notifications: false,
  singleKeys: true,
  corner: 'bottom-right',
  fill: true,
  speakerView: false,
  encrypted: false,
  recent: [],
  account: null,
}

const key = 'visavis.preferences'
const recentLimit = 4

/** Reads what is stored; what is missing or of the wrong kind is as in `defaults`. */
export function readPrefs(store: Pick<Storage, 'getItem'> | null): Prefs {
  let stored: unknown
  try {
    stored = JSON.parse(store?.getItem(key) ?? '{}')
  } catch {
    return defaults
  }
  if (typeof stored !== 'object' || stored === null) return defaults
  const merged: Record<string, unknown> = { ...defaults }
  for (const [name, value] of Object.entries(stored)) {
    const usual = merged[name]
    const alike = usual === null || (typeof value === typeof usual && Array.isArray(value) === Array.isArray(usual))
    if (name in merged && alike) merged[name] = value
  }
  return merged as unknown as Prefs
}

/** Stores them; a browser that keeps nothing is not an error. */
export function writePrefs(store: Pick<Storage, 'setItem'> | null, prefs: Prefs): void {
  try {
    store?.setItem(key, JSON.stringify(prefs))
  } catch {
    // Full or forbidden: the choice holds until the page is closed.
  }
}

/** The list of recent names with `name` in front. */
export function withRecent(recent: readonly string[], name: string): readonly string[] {
  return [name, ...recent.filter(other => other !== name)].slice(0, recentLimit)
}
