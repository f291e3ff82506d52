/** A conference, in terms of the core. */
import type { Core } from './client.js'
import { Conference } from './conference.js'
import { randomId } from './environment.js'
import type { ChatMessage } from './model.js'
import { callId } from './reducer.js'
import { openSink } from './sink.js'

/** Makes one; `messages` were written in it before. */
export function confer(core: Core, id: string, ticket: string, messages: readonly ChatMessage[]): Conference {
  const { environment, media } = core
  const conference = new Conference(id, {
    environment,
    configuration: () => core.ice.configuration(),
    send: (request) => void core.signal.send(request),
    changed: (change) => core.dispatch({ type: 'talk', call: id, change }),
    room: () => core.find(id, 'room'),
    silence: () => media.silence(),
    openSink: core.options.openSink ?? openSink,
    newId: () => randomId(environment),
    expressed: (member, reaction) => {
      core.dispatch({ type: 'express', call: id, member, reaction })
      core.fade(id)
    },
    failed: () => {
      if (callId(core.model.call) === id) return core.over('failed')
      conference.close()
      if (core.conference === conference) core.conference = null
      core.dispatch({ type: 'stay' })
    },
  }, ticket, messages)
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
