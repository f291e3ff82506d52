/** A conference, in terms of the core. */
import type { Core } from './client.js'
import { Conference } from './conference.js'
import { conferenceHost } from './hosts.js'
import type { ChatMessage } from './model.js'

/** Makes one; `messages` were written in it before. */
export function confer(core: Core, id: string, ticket: string, messages: readonly ChatMessage[]): Conference {
  const host = conferenceHost(core, id, () => {
    conference.close()
    if (core.conference === conference) core.conference = null
    core.dispatch({ type: 'stay' })
  })
  const conference = new Conference(id, host, ticket, messages)
  if (messages.length > 0) core.dispatch({ type: 'talk', call: id, change: { messages } })
  return conference
}

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
