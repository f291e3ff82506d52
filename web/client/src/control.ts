/**
 * The messages of the control channel: JSON text frames straight between the two (PEER.md lists them for others).
 *
 * `parse` accepts exactly what is written here and makes null of everything else, so that nothing the other side
 * sends can reach the code behind it in a shape it does not expect.
 */

/** Characters in a chat message, as UTF-16 counts them. */
export const TEXT_MOST = 4_000
/** Characters in a frame. */
const FRAME_MOST = 32_768
/** Characters in a file's name. */
const NAME_MOST = 255

export type Control =
  /** First on every channel: the version, what is on, and a number that stays as long as the page lives. */
  | { readonly type: 'hello'; readonly version: number; readonly page: string; readonly sending: Sending }
  | { readonly type: 'sending'; readonly sending: Sending }
  /** That we have the key of the link, and see these certificates. */
  | { readonly type: 'proof'; readonly proof: string }
  | { readonly type: 'chat'; readonly id: string; readonly text: string; readonly at: number }
  | { readonly type: 'chat-received'; readonly id: string }
  /** A file is there to take; said again after a break, so that the other says where it stands. `file` is its number. */
  | { readonly type: 'file-offer'; readonly file: number; readonly name: string; readonly size: number; readonly mime: string }
  /** Send it from this byte on. */
  | { readonly type: 'file-take'; readonly file: number; readonly at: number }
  /** Bytes up to here are kept: more may be sent. */
  | { readonly type: 'file-kept'; readonly file: number; readonly at: number }
  /** It arrived whole and the hash is right. */
  | { readonly type: 'file-done'; readonly file: number }
  /** Not wanted, not wanted any more, or not possible. */
  | { readonly type: 'file-stop'; readonly file: number; readonly why: StopReason }
  /** The page goes away; it may come back in a moment. */
  | { readonly type: 'leaving' }
  /** The call is over; also said through the server, which may be away. */
  | { readonly type: 'end' }

export interface Sending { readonly camera: boolean; readonly microphone: boolean; readonly screen: boolean }
export type StopReason = 'refused' | 'cancelled' | 'failed'

/** The message in a frame, or null. */
export function parse(data: unknown): Control | null {
  if (typeof data !== 'string' || data.length > FRAME_MOST) return null
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    return null
  }
  return isRecord(value) ? read(value) : null
}

type Fields = Readonly<Record<string, unknown>>

function read(it: Fields): Control | null {
  const { type } = it
  switch (type) {
    case 'hello': {
      const sending = readSending(it['sending'])
      return sending && isCount(it['version']) && isId(it['page']) ? { type, version: it['version'], page: it['page'], sending } : null
    }
    case 'sending': {
      const sending = readSending(it['sending'])
      return sending && { type, sending }
    }
    case 'proof':
      return isText(it['proof'], 64) ? { type, proof: it['proof'] } : null
    case 'chat':
      return isId(it['id']) && isText(it['text'], TEXT_MOST) && isCount(it['at']) ? { type, id: it['id'], text: it['text'], at: it['at'] } : null
    case 'chat-received':
      return isId(it['id']) ? { type, id: it['id'] } : null
    case 'leaving':
    case 'end':
      return { type }
    default:
      return isCount(it['file']) && it['file'] <= 0xffff_ffff ? readFile(type, it['file'], it) : null
  }
}

function readFile(type: unknown, file: number, it: Fields): Control | null {
  switch (type) {
    case 'file-offer':
      return isText(it['name'], NAME_MOST) && isCount(it['size']) && typeof it['mime'] === 'string'
        ? { type, file, name: it['name'], size: it['size'], mime: it['mime'].slice(0, NAME_MOST) }
        : null
    case 'file-take':
    case 'file-kept':
      return isCount(it['at']) ? { type, file, at: it['at'] } : null
    case 'file-done':
      return { type, file }
    case 'file-stop': {
      const why = it['why']
      return why === 'refused' || why === 'cancelled' || why === 'failed' ? { type, file, why } : null
    }
    default:
      return null
  }
}

function readSending(value: unknown): Sending | null {
  if (!isRecord(value)) return null
  const { camera, microphone, screen } = value
  return typeof camera === 'boolean' && typeof microphone === 'boolean' && typeof screen === 'boolean' ? { camera, microphone, screen } : null
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

export function isId(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(value)
}

export function isText(value: unknown, most: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= most
}
