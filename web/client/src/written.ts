/** What was written in the parts of a divided room. */
import type { ChatMessage } from './model.js'

/**
 * What was written in the main room and in groups, while one is in another of them. Who comes back finds it again, and
 * asks the others for the rest.
 */
export class Written {
  private readonly of = new Map<string, readonly ChatMessage[]>()

  /** We go from one to another: keeps what was written in the one, and gives what was in the other. */
  turn(from: string, messages: readonly ChatMessage[], to: string): readonly ChatMessage[] {
    this.of.set(from, messages)
    return this.of.get(to) ?? []
  }

  clear(): void { this.of.clear() }
}
