/**
 * What outlives a page: who we are, for all tabs of the browser; and the session with its call, for the next page of
 * this tab.
 *
 * The session is put away when the page goes and taken out (and removed) by the next one. Between the two it lies
 * nowhere: so a tab that is duplicated, which copies the tab's store, starts a session of its own instead of fighting
 * for this one.
 */
import type { StoredConference } from './conference.js'
import type { StoredConversation } from './conversation.js'
import type { Environment, Store } from './environment.js'
import type { Call, Model } from './model.js'
import type { StoredSession } from './signal.js'

const IDENTITY = 'visavis.identity'
const NAME = 'visavis.name'
const TAB = 'visavis.tab'
const INVITED = 'visavis.invited'

export interface StoredTab {
  readonly session: StoredSession
  readonly call: Call
  readonly conversation: StoredConversation | null
  readonly conference: StoredConference | null
  /** The devices that were on. */
  readonly camera: string | null
  readonly microphone: string | null
  readonly muted: boolean
}

/** The devices that are on, or were when the page before this one went. */
export function devicesOf({ camera, microphone }: Model, left: StoredTab | null): Pick<StoredTab, 'camera' | 'microphone' | 'muted'> {
  return {
    camera: camera.kind === 'on' ? camera.deviceId : left?.camera ?? null,
    microphone: microphone.kind === 'on' ? microphone.deviceId : left?.microphone ?? null,
    muted: microphone.kind === 'on' ? microphone.muted : left?.muted ?? false,
  }
}

export class Memory {
  /** With a join token we are whom an application says, in this tab alone; who we are elsewhere stays untouched. */
  constructor(private readonly environment: Pick<Environment, 'identityStore' | 'tabStore' | 'clock'>, readonly token: string | null = null) {}

  get identity(): string | null {
    if (this.token === null) return this.environment.identityStore.getItem(IDENTITY)
    const [token, identity] = this.environment.tabStore.getItem(INVITED)?.split(' ') ?? []
    return token === this.token ? identity ?? null : null
  }
  set identity(identity: string | null) {
    if (this.token === null) put(this.environment.identityStore, IDENTITY, identity)
    else put(this.environment.tabStore, INVITED, identity === null ? null : `${this.token} ${identity}`)
  }

  get name(): string | null { return this.token === null ? this.environment.identityStore.getItem(NAME) : null }
  set name(name: string | null) { if (this.token === null) put(this.environment.identityStore, NAME, name) }

  putTab(tab: StoredTab | null): void {
    put(this.environment.tabStore, TAB, tab === null ? null : JSON.stringify(tab))
  }

  /** The session that the page before this one left, if it can still be resumed. */
  takeTab(): StoredTab | null {
    const text = this.environment.tabStore.getItem(TAB)
    this.putTab(null)
    if (text === null) return null
    try {
      const tab = JSON.parse(text) as StoredTab
      return typeof tab.session.session === 'string' && tab.session.until > this.environment.clock.now() ? tab : null
    } catch {
      return null
    }
  }
}

function put(store: Store, key: string, value: string | null): void {
  try {
    if (value === null) store.removeItem(key)
    else store.setItem(key, value)
  } catch {
    // Full or forbidden: the page works without, it only forgets.
  }
}
