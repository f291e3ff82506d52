/** What every component may use: the model, the commands, the person's choices and what is open on the screen. */
import type { Commands, Model, RoomCall, RunningCall, Streams } from '@visavis/client/model.js'
import type { Member, Presence } from '@visavis/client/protocol.js'
import { createContext, useContext, type Accessor } from 'solid-js'
import type { Dictionary, Language } from '../i18n/index.js'
import type { Route } from '../route.js'
import type { Corner } from '../snap.js'
import type { Prefs } from './prefs.js'
import type { Intent } from './words.js'

export type Panel = 'chat' | 'details' | 'people'
export type Dialog = 'settings' | 'help' | 'recordings' | 'groups'

/** What is open and chosen on the screen now; none of it outlives the page. */
export interface Ui {
  readonly route: Route
  readonly panel: Panel | null
  readonly dialog: Dialog | null
  readonly more: boolean
  /** Whether the feelings to choose from are open. */
  readonly reacting: boolean
  /** The tile that stays large, by its key. */
  readonly pinned: string | null
  /** What was just done, for a moment. */
  readonly flash: string | null
  /** Who just came or went, for a moment: the status line says it. */
  readonly news: string | null
  readonly query: string
  /** For which member of a room files are; null: for everybody. */
  readonly filesTo: number | null
  readonly intent: Intent
  /** Messages of the other's that have not been on the screen. */
  readonly unread: number
  readonly fullScreen: boolean
  readonly updateReady: boolean
}

/** What this browser can do. */
export interface Features {
  readonly screen: boolean
  readonly fullScreen: boolean
  readonly picture: boolean
  readonly speaker: boolean
  readonly notifications: boolean
  readonly passkeys: boolean
  /** Whether frames can be encrypted before they leave the page. */
  readonly encryption: boolean
}

/** What the components ask for that is more than one command of the client. */
export interface Actions {
  /** Keeps the name and goes by it from now on. */
  setName(name: string): void
  /** Opens camera and microphone together. */
  openDevices(): Promise<void>
  callPerson(name: string): void
  meet(room: string, key: string | null): void
  accept(video: boolean): void
  toggleMute(): void
  toggleCamera(): void
  toggleScreen(): void
  toggleHand(): void
  /** Copies the link of the call, and gives it one first where it has none. */
  copyLink(): void
  toggleFullScreen(): void
  togglePicture(): void
  chooseFiles(): void
  go(route: Route): void
  copy(text: string): Promise<boolean>
  dismiss(): void
}

/** What the join token in the link says, as far as it is to be shown. */
export interface Invitation {
  readonly token: string
  readonly name: string
}

export interface App {
  /** With a join token the application says who we are; `null` for everybody else. */
  readonly invitation: Invitation | null
  readonly model: Accessor<Model>
  readonly streams: Accessor<Streams>
  readonly commands: Commands
  readonly actions: Actions
  readonly t: Accessor<Dictionary>
  readonly lang: Accessor<Language>
  readonly prefs: Accessor<Prefs>
  setPrefs(change: Partial<Prefs>): void
  readonly ui: Accessor<Ui>
  setUi(change: Partial<Ui>): void
  readonly features: Features
  /** Milliseconds since the epoch; follows the clock once a second. */
  readonly now: Accessor<number>
  readonly online: Accessor<boolean>
  readonly dark: Accessor<boolean>
  readonly corner: Accessor<Corner>
  /** Everybody the directory has told about, by name. */
  readonly known: Accessor<ReadonlyMap<string, Presence>>
  /** Goes on as this account, or as a guest again: the page starts anew. */
  become(identity: string | null, name: string): void
  /** What a screen reader should say now, without its being on the screen. */
  readonly announced: Accessor<string>
  announce(text: string): void
}

export const AppContext = createContext<App>()

/** The app around a component. */
export function useApp(): App {
  const app = useContext(AppContext)
  if (!app) throw new Error('A component of the page stands outside AppContext.')
  return app
}

/** A call that runs: of two, or a room. */
export type Talk = RunningCall | RoomCall

/** The running call or room; null in every other state. */
export function talkOf({ call }: Model): Talk | null {
  return call.kind === 'running' || call.kind === 'room' ? call : null
}

/** Ourselves among the members of a room. */
export function selfOf(room: RoomCall): Member | null {
  return room.members.find(({ number }) => number === room.you) ?? null
}
