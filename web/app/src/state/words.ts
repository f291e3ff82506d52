/** The state of things in words: one place, so that the status line, the title and the screens agree. */
import type { Call, Capture, Model, Quality, RoomCall, ServerLink } from '@visavis/client/model.js'
import type { Member } from '@visavis/client/protocol.js'
import type { Dictionary } from '../i18n/index.js'

/** What the person asked for and waits for: devices to be allowed, the server to answer. */
export type Intent = null | { readonly kind: 'devices' } | { readonly kind: 'server' }

/** The status line. */
export function statusLine(t: Dictionary, model: Model, intent: Intent, named: boolean, news: string | null): string {
  const { call } = model
  switch (call.kind) {
    case 'idle':
      if (intent?.kind === 'devices') return t.stDevices
      if (intent?.kind === 'server') return t.stConnecting
      return idleLine(t, model.server, named)
    case 'outgoing': {
      const name = call.person?.name ?? call.to
      return call.ringing ? t.stRinging(name) : t.stCalling(name)
    }
    case 'incoming': return call.media.video ? t.stIncomingVideo(call.from.name) : t.stIncomingAudio(call.from.name)
    case 'waiting': return t.stWaiting
    case 'running': return runningLine(t, call.path, call.peer.name)
    case 'lobby': return t.stLobby
    case 'room': return call.path === 'connected' ? news ?? roomLine(t, call) : call.path === 'connecting' ? t.stEntering : t.stReconnectingRoom
    case 'ended': return endReason(t, call)
  }
}

function runningLine(t: Dictionary, path: Extract<Call, { kind: 'running' }>['path'], name: string): string {
  switch (path) {
    case 'connecting': return t.stPutThrough(name)
    case 'connected': return t.stInCall(name)
    case 'reconnecting': return t.stReconnecting(name)
  }
}

/** How many names are said before they become a number. */
const namesSaid = 2

/** Who is in a room with us. */
export function roomLine(t: Dictionary, room: RoomCall): string {
  const others = room.members.filter(({ number }) => number !== room.you).map(({ person }) => person.name)
  if (others.length === 0) return room.title || t.stAlone
  return others.length <= namesSaid ? t.stInRoom(others.join(t.and)) : t.stInRoomMany(others.length)
}

/** Who came and who went, in a sentence; null if nobody did. */
export function changesOf(t: Dictionary, before: readonly Member[], now: readonly Member[]): string | null {
  const missing = (all: readonly Member[], from: readonly Member[]): string[] => all.filter(({ number }) => !from.some(other => other.number === number)).map(({ person }) => person.name)
  const [came, went] = [missing(now, before), missing(before, now)]
  const said = [
    ...came.length > 0 ? [came.length <= namesSaid ? t.cameIn(came.join(t.and)) : t.cameInMany(came.length)] : [],
    ...went.length > 0 ? [went.length <= namesSaid ? t.wentOut(went.join(t.and)) : t.wentOutMany(went.length)] : [],
  ]
  return said.length > 0 ? said.join(' ') : null
}

function idleLine(t: Dictionary, server: ServerLink, named: boolean): string {
  switch (server.kind) {
    case 'online': return t.stReady
    case 'connecting': return t.stConnecting
    case 'offline': return named ? t.stConnecting : t.stNeedsName
    case 'reconnecting': return t.stOffline
    case 'refused': return t.stOffline
  }
}

/** Why a call is over, for a person. */
export function endReason(t: Dictionary, call: Extract<Call, { kind: 'ended' }>): string {
  const name = call.person?.name || call.to || t.theOther
  switch (call.reason) {
    case 'hung-up': return call.room === null ? t.endHungUp : t.endLeft
    case 'declined': return call.room === null ? t.endDeclined(name) : t.endDenied
    case 'busy': return t.endBusy(name)
    case 'cancelled': return t.endCancelled
    case 'timeout': return t.endTimeout(name)
    case 'elsewhere': return t.endElsewhere
    case 'unavailable': return t.endUnavailable(name)
    case 'lost': return call.room === null ? t.endLost(name) : t.endLostRoom
    case 'failed': return call.room === null ? t.endFailed : t.endFailedRoom
    case 'removed': return t.endRemoved
    case 'closed': return t.endClosed
    case 'room-full': return t.endFull
    case 'room-locked': return t.endLocked
    case 'needs-token': return t.endNeedsToken
    case 'encrypted': return t.endEncrypted
    case 'not-encrypted': return t.endNotEncrypted
    case 'cannot-encrypt': return t.endCannotEncrypt
    case 'not-verified': return t.endNotVerified
  }
}

/** What to do about it, where there is something to do. */
export function endAdvice(t: Dictionary, { reason, room }: Pick<Extract<Call, { kind: 'ended' }>, 'reason' | 'room'>): string {
  switch (reason) {
    case 'needs-token': return t.endNeedsTokenText
    case 'unavailable': return room === null ? t.endUnavailableText : ''
    case 'failed': return room === null ? t.endFailedText : ''
    case 'lost': return room === null ? t.endLostText : ''
    case 'encrypted': return t.endEncryptedText
    case 'not-encrypted': return t.endNotEncryptedText
    case 'cannot-encrypt': return t.endCannotEncryptText
    case 'not-verified': return t.endNotVerifiedText
    default: return ''
  }
}

/** The quality in words: a headline and what it means. */
export function verdict(t: Dictionary, quality: Quality['verdict']): readonly [string, string] {
  switch (quality) {
    case 'good': return [t.qGood, t.qGoodText]
    case 'fair': return [t.qFair, t.qFairText]
    case 'poor': return [t.qPoor, t.qPoorText]
    case 'lost': return [t.qLost, t.qLostText]
    case 'unknown': return [t.qUnknown, t.qUnknownText]
  }
}

/** Which of the browsers whose permission dialogs we can describe this is. */
export function browserKind(agent: string): 'chromium' | 'firefox' | 'safari' {
  if (/firefox|fxios/i.test(agent)) return 'firefox'
  return /safari/i.test(agent) && !/chrom|edg|android/i.test(agent) ? 'safari' : 'chromium'
}

/** What stands in the way of the camera and the microphone, and what to do; null when nothing does. */
export function captureProblem(t: Dictionary, camera: Capture, microphone: Capture, agent: string): { title: string, text: string } | null {
  const has = (kind: Capture['kind']): readonly [boolean, boolean] => [camera.kind === kind, microphone.kind === kind]
  const pick = ([c, m]: readonly [boolean, boolean], both: string, first: string, second: string): string | null =>
    c && m ? both : c ? first : m ? second : null
  if (has('insecure').includes(true)) return { title: t.insecure, text: t.insecureText }
  const denied = pick(has('denied'), t.deniedBoth, t.deniedCamera, t.deniedMicrophone)
  if (denied) {
    const kind = browserKind(agent)
    const text = kind === 'firefox' ? t.deniedFirefox : kind === 'safari' ? t.deniedSafari : t.deniedChromium
    return { title: denied, text }
  }
  const busy = pick(has('in-use'), t.inUseCamera, t.inUseCamera, t.inUseMicrophone)
  if (busy) return { title: busy, text: t.inUseText }
  const missing = pick(has('no-device'), t.noDeviceBoth, t.noDeviceCamera, t.noDeviceMicrophone)
  return missing ? { title: missing, text: t.noDeviceText } : null
}

/** What the bar about the server says; null when there is nothing to say. */
export function serverNotice(
  t: Dictionary, server: ServerLink, inCall: boolean, online: boolean, now: number,
): { readonly text: string, readonly tone: 'calm' | 'warn', readonly action: 'reload' | null } | null {
  if (!online) return { text: t.svOffline, tone: 'warn', action: null }
  switch (server.kind) {
    case 'offline': return null
    case 'connecting': return null
    case 'online': return server.draining ? { text: t.svDraining, tone: 'warn', action: null } : null
    case 'reconnecting': {
      const seconds = Math.max(0, Math.ceil((server.nextTry - now) / 1000))
      return { text: inCall ? t.svReconnectingCall : t.svReconnecting(seconds), tone: 'warn', action: null }
    }
    case 'refused': return refusedNotice(t, server)
  }
}

function refusedNotice(t: Dictionary, { code, message }: Extract<ServerLink, { kind: 'refused' }>): { readonly text: string, readonly tone: 'calm' | 'warn', readonly action: 'reload' | null } {
  switch (code) {
    case 'name': return { text: t.svRefusedName, tone: 'warn', action: null }
    case 'replaced': return { text: t.svRefusedReplaced, tone: 'calm', action: 'reload' }
    case 'limit': return { text: t.svRefusedLimit, tone: 'warn', action: 'reload' }
    case 'version': return { text: t.svRefusedVersion, tone: 'warn', action: 'reload' }
    case 'token': return { text: t.tokenWrong, tone: 'warn', action: null }
    case 'token-expired': return { text: t.tokenExpired, tone: 'warn', action: null }
    case 'token-early': return { text: t.tokenEarly, tone: 'warn', action: 'reload' }
    case 'identity': case 'malformed': return { text: t.svRefused(message), tone: 'warn', action: 'reload' }
  }
}
