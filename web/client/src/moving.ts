/**
 * The move from a call of two to a room, and back. The next call is prepared while this one goes on; once its pictures
 * are decoded it takes the place of this one, so that nobody sees a gap. The other side is not as far at the same
 * moment: what it may still be looking at is sent on for a while.
 */
import type { Clock } from './environment.js'
import type { Model } from './model.js'

/** Milliseconds between two looks at whether the next call has pictures. */
const LOOK_EVERY = 50
/** Milliseconds after which a connected call takes its place without pictures: there may be none to come. */
const PATIENCE = 8_000
/** Milliseconds after which it does when the server has ended the old one. */
const HURRY = 3_000
/** Milliseconds for which an old call is sent on: after the server has ended it, and if it does not. */
const LINGER = 4_000
const LINGER_MOST = 12_000

export interface MovingHost {
  model(): Model
  /** Whether the next call has what it needs. */
  flows(): Promise<boolean>
  /** The next call takes the place of this one. */
  move(): void
}

export class Moving {
  private id: string | null = null
  private deadline = Infinity
  private ended = false
  private cancel: (() => void) | null = null
  private old: { readonly id: string; readonly close: () => void; cancel: () => void } | null = null

  constructor(private readonly clock: Clock, private readonly host: MovingHost) {}

  /** Begins or ends looking, as the model says. */
  follow(): void {
    const { next } = this.host.model()
    if (next === null) return this.stop()
    if (this.id === next.id) return
    this.id = next.id
    this.deadline = this.clock.now() + PATIENCE
    this.ended = false
    this.lookSoon()
  }

  /** The server has ended the old call, or will not go on with it. */
  hurry(): void {
    this.ended = true
    this.deadline = Math.min(this.deadline, this.clock.now() + HURRY)
  }

  /** Lets an old call go on for a while after the move. */
  linger(id: string, ms: number | null, close: () => void): void {
    this.letGo()
    const cancel = this.clock.after(ms ?? (this.ended ? LINGER : LINGER_MOST), () => this.letGo())
    this.old = { id, close, cancel }
  }

  /** The server has ended the old call: nobody needs it for long. */
  release(id: string): void {
    if (this.old?.id !== id) return
    this.old.cancel()
    this.old.cancel = this.clock.after(LINGER, () => this.letGo())
  }

  /** Ends the old call now. */
  letGo(): void {
    const { old } = this
    this.old = null
    old?.cancel()
    old?.close()
  }

  private stop(): void {
    this.cancel?.()
    this.cancel = this.id = null
  }

  private lookSoon(): void {
    this.cancel ??= this.clock.after(LOOK_EVERY, () => void this.look())
  }

  private async look(): Promise<void> {
    const { id } = this
    const flows = await this.host.flows()
    this.cancel = null
    const { call, next } = this.host.model()
    if (next === null || next.id !== id) return this.follow()
    const broken = call.kind === 'running' || call.kind === 'room' ? call.path !== 'connected' : true
    const instead = next.path === 'connected' && (broken || this.clock.now() >= this.deadline)
    if (!flows && !instead) return this.lookSoon()
    this.stop()
    this.host.move()
  }
}
