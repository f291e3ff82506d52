/** What a person can do, in terms of the core. */
import type { Core } from './client.js'
import type { Commands } from './model.js'

type Streams = ReturnType<Commands['streams']>

const NO_PICTURES: ReadonlyMap<string, MediaStream> = new Map()
const NO_VOICES: readonly MediaStream[] = []

export function commandsOf(core: Core): Commands {
  const { media } = core
  return {
    connect: (name) => core.connect(name),
    rename: (name) => core.rename(name),
    find: (query) => void core.look(query),
    openCamera: (deviceId) => media.open('camera', deviceId),
    closeCamera: () => media.close('camera'),
    openMicrophone: (deviceId) => media.open('microphone', deviceId),
    closeMicrophone: () => media.close('microphone'),
    setMuted: (muted) => media.setMuted(muted),
    setSpeaker: (deviceId) => media.setSpeaker(deviceId),
    call: (to) => core.call(to),
    meet: (room, key = null) => core.meet(room, key),
    accept: (sends) => core.accept(sends),
    decline: () => core.decline(),
    hangUp: () => core.hangUp(),
    dismiss: () => { if (core.model.call.kind === 'ended') core.dispatch({ type: 'dismiss' }) },
    shareScreen: async () => { if (core.model.call.kind === 'running' || core.model.call.kind === 'room') await media.openScreen() },
    stopScreen: () => media.closeScreen(),
    say: (text) => core.say(text),
    sendFiles: (files) => core.talking()?.files.offer(files),
    takeFile: (id) => void core.talking()?.files.take(id),
    refuseFile: (id) => core.talking()?.files.refuse(id),
    cancelFile: (id) => core.talking()?.files.cancel(id),
    openLink: () => { if (core.model.call.kind === 'running') core.signal.send({ type: 'open', call: core.model.call.id }) },
    arrange: (tiles) => { if (core.model.call.kind === 'room') core.conference?.arrange(tiles) },
    raiseHand: (hand) => core.inRoom((call) => {
      core.signal.send({ type: 'express', call, hand })
      core.dispatch({ type: 'hand', call, hand })
    }),
    react: (reaction) => core.inRoom((call) => core.react(call, reaction)),
    moderate: (action) => core.inRoom((call) => void core.signal.send({ type: 'moderate', call, action })),
    askKey: (room, door) => void core.signal.send({ type: 'key', room, door }),
    streams: () => streams(core),
    level: () => media.level(),
  }
}

function streams(core: Core): Streams {
  const { stream } = core.media
  const { call } = core.model
  // A browser takes its time with a fresh element, so what will be played is there while it rings; with a stream that has
  // no track yet it would begin again with the first.
  const rings = call.kind === 'outgoing' || call.kind === 'incoming'
  const talk = call.kind === 'room' || (rings && !call.prepared) ? null : core.conversation
  const room = call.kind === 'room' ? core.conference : null
  return {
    local: stream.getTracks().length > 0 ? stream : null,
    screen: core.media.screenStream,
    remote: talk?.remote ?? null,
    remoteVoice: talk?.remoteVoice ?? null,
    remoteScreen: talk?.remoteScreen ?? null,
    pictures: room?.pictures ?? NO_PICTURES,
    voices: room?.voices ?? NO_VOICES,
  }
}
