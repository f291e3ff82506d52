/** The model and who is told of it. */
import type { Clock } from './environment.js'
import type { Model } from './model.js'
import { INITIAL, reduce, type Event } from './reducer.js'

/** Milliseconds for which the page is not told of a call that gets connected: to draw it would hold that up. */
export const NEGOTIATES = 500
/** The same if nothing is left to do but to begin: as soon as that is done the page may draw, while the path is found. */
export const PREPARED = 0

export class Store {
  model: Model = INITIAL
  private readonly listeners = new Set<(model: Model) => void>()
  /** Ends the time in which the listeners are not told. */
  private tellNow: (() => void) | null = null

  constructor(private readonly clock: Clock) {}

  subscribe(listener: (model: Model) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  dispatch(event: Event): void {
    const next = reduce(this.model, event)
    if (next === this.model) return
    this.model = next
    if (this.tellNow === null) this.tell()
    else if (next.call.kind !== 'running' || next.call.path === 'connected') this.tellNow()
  }

  /** A page that draws does not answer: so it is told of the call once the path stands, or after so many milliseconds. */
  tellLater(ms: number): void {
    this.tellNow?.()
    const cancel = this.clock.after(ms, () => this.tellNow?.())
    this.tellNow = () => {
      cancel()
      this.tellNow = null
      this.tell()
    }
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener(this.model)
  }
}
