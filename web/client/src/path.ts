/** Follows the path of a peer connection, and has it found anew when it breaks. */
import type { Clock, PeerConnectionLike } from './environment.js'

/** Milliseconds that ICE may be `disconnected` (it often comes back by itself) before it is restarted. */
const DISCONNECTED_PATIENCE = 2_000
/** Milliseconds from one ICE restart to the next while the path stays broken. */
const RESTART_EVERY = 7_000
/** Restarts in vain after which a new peer connection is wanted. */
const RESTARTS_MOST = 3

export type PathState = 'connecting' | 'connected' | 'reconnecting'

export interface PathEvents {
  path(path: PathState): void
  /** Restart ICE. */
  restart(): void
  /** No restart can mend this peer connection: another one is needed. */
  dead(): void
}

export class Path {
  state: PathState = 'connecting'
  private restarts = 0
  private cancelRestart: (() => void) | null = null

  /** With `ringing` nothing is said of a path before `expect`; nor is it mended, for there may be no way yet (RFC 8838 §8). */
  constructor(private readonly clock: Clock, private readonly events: PathEvents, private ringing = false) {}

  /** To be called with every change of the ICE state or the connection state. */
  follow({ connectionState, iceConnectionState }: Pick<PeerConnectionLike, 'connectionState' | 'iceConnectionState'>): void {
    if (this.ringing) return
    // DTLS failed: no restart of ICE can mend that.
    if (connectionState === 'failed' && iceConnectionState !== 'failed') return this.events.dead()
    switch (iceConnectionState) {
      case 'connected':
      case 'completed':
        if (connectionState !== 'connected') break
        this.restarts = 0
        this.close()
        this.turn('connected')
        break
      case 'disconnected':
        this.mend(DISCONNECTED_PATIENCE)
        break
      case 'failed':
        this.mend(0)
        break
      case 'new':
      case 'checking':
      case 'closed':
        break
    }
  }

  /** The call was accepted. */
  expect(states: Pick<PeerConnectionLike, 'connectionState' | 'iceConnectionState'>): void {
    if (!this.ringing) return
    this.ringing = false
    // What has given up while there was nothing to try does not come back reliably by a restart.
    if (states.iceConnectionState === 'failed') this.events.dead()
    else this.follow(states)
  }

  /** No more restarts. */
  close(): void {
    this.cancelRestart?.()
    this.cancelRestart = null
  }

  private mend(patience: number): void {
    if (this.state === 'connected') this.turn('reconnecting')
    if (patience === 0 && this.restarts === 0) this.cancelRestart?.()
    else if (this.cancelRestart !== null) return
    this.cancelRestart = this.clock.after(patience, () => this.tryRestart())
  }

  private tryRestart(): void {
    this.cancelRestart = null
    if (this.restarts++ >= RESTARTS_MOST) return this.events.dead()
    this.events.restart()
    this.cancelRestart = this.clock.after(RESTART_EVERY, () => this.tryRestart())
  }

  private turn(state: PathState): void {
    if (this.state === state) return
    this.state = state
    this.events.path(state)
  }
}
