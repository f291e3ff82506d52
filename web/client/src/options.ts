/** What a program gives to a client, and gets. */
import type { Environment } from './environment.js'
import type { Commands, Model } from './model.js'
import type { OpenSink } from './sink.js'

export interface ClientOptions {
  /** The server's WebSocket, `wss://…/ws`; by default that of the server the page comes from. */
  readonly url?: string
  /** A join token of an application: it says who we are, and what we may do in its room. */
  readonly token?: string
  /** Where received files go; by default to disk where the browser can and the file is large, else to memory. */
  readonly openSink?: OpenSink
  /** `relay` hides our addresses from the other side and needs TURN. */
  readonly iceTransportPolicy?: RTCIceTransportPolicy
  /** Starts the worker that encrypts frames (`e2ee/worker.ts`, built as a script of its own); without it no encrypted room can be entered. */
  readonly frameWorker?: () => Worker
  /** The world, for tests. */
  readonly environment?: Environment
}

export interface Client {
  model(): Model
  /** Calls `listener` with every new model; the result stops that. */
  subscribe(listener: (model: Model) => void): () => void
  readonly commands: Commands
  /** Ends the call and the session and gives the devices back. */
  close(): void
}
