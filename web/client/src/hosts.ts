/** What a conversation and a room take from the client around them. */
import type { Core } from './client.js'
import type { ConferenceHost } from './conference.js'
import type { ConversationHost } from './conversation.js'
import { randomId } from './environment.js'
import { callId, linkOf } from './reducer.js'
import { openSink } from './sink.js'

export function conversationHost(core: Core, id: string): ConversationHost {
  const { environment, options, page, media, signal, moving } = core
  const to = (device: number | null) => (device === null ? {} : { device })
  return {
    environment,
    openSink: options.openSink ?? openSink,
    page,
    configuration: () => core.ice.configuration(),
    stream: media.stream,
    description: (description, device) => void signal.send({ type: 'description', call: id, ...to(device), description }),
    candidate: (candidate, device) => void signal.send({ type: 'candidate', call: id, ...to(device), candidate }),
    prepared: () => core.dispatch({ type: 'prepared', call: id }),
    changed: (change) => core.dispatch({ type: 'talk', call: id, change }),
    over: (reason) => {
      if (callId(core.model.call) !== id) return
      if (core.model.next === null) return core.over(reason)
      // The other has left, or cannot be reached: we go on to the room without them.
      moving.hurry()
      core.dispatch({ type: 'talk', call: id, change: { path: 'reconnecting' } })
    },
    friend: () => core.find(id, 'running')?.peer.name ?? '',
    link: () => linkOf(core.find(id, 'running')),
  }
}

/** `failed` is called if a room that a call is to become cannot be. */
export function conferenceHost(core: Core, id: string, failed: () => void): ConferenceHost {
  const { environment, media, signal } = core
  return {
    environment,
    configuration: () => core.ice.configuration(),
    send: (request) => void signal.send(request),
    changed: (change) => core.dispatch({ type: 'talk', call: id, change }),
    room: () => core.find(id, 'room'),
    silence: () => media.silence(),
    newId: () => randomId(environment),
    expressed: (member, reaction) => {
      core.dispatch({ type: 'express', call: id, member, reaction })
      core.fade(id)
    },
    failed: () => {
      if (callId(core.model.call) === id) core.over('failed')
      else failed()
    },
  }
}
