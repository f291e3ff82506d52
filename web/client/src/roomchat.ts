/**
 * What is written in a room, over the data channel `room`: JSON in binary messages. The server passes each to everybody
 * else, with four bytes in front that say who sent it (big-endian; 0 is the server); it reads none of them.
 *
 *     {"type": "chat", "id": "…", "text": "…", "at": 1767225600000}
 */
import { HISTORY_MOST, split } from './chat.js'
import { isId, isText } from './control.js'
import type { ChatMessage } from './model.js'

/** UTF-16 units in a message: with the worst escapes it stays below the 16 KiB that the server takes. */
const TEXT_MOST = 2_000
/** What was sent so shortly before a channel broke (ms) may be lost: it is sent again on the next. */
const AGAIN_WITHIN = 5_000
const SENDER_BYTES = 4

export interface RoomChatHost {
  now(): number
  newId(): string
  /** The name of a member. */
  name(member: number): string
  changed(messages: readonly ChatMessage[]): void
}

export class RoomChat {
  messages: readonly ChatMessage[] = []
  /** Messages that were not what this file says: dropped. */
  dropped = 0
  private channel: RTCDataChannel | null = null
  private sent: { readonly id: string; readonly at: number }[] = []

  constructor(private readonly host: RoomChatHost) {}

  /** A new channel, which opens later. */
  use(channel: RTCDataChannel): void {
    this.leave()
    this.channel = channel
    channel.onopen = () => this.resume()
    channel.onmessage = ({ data }) => this.take(data)
  }

  leave(): void {
    if (this.channel) this.channel.onopen = this.channel.onmessage = null
    this.channel = null
  }

  /** What was said before the call became a room stands before what is said in it. */
  adopt(messages: readonly ChatMessage[]): void {
    if (messages.length > 0) this.show([...messages, ...this.messages])
  }

  /** Says something; longer texts become several messages. */
  say(text: string): void {
    for (const part of split(text.trim(), TEXT_MOST)) {
      const message = { id: this.host.newId(), mine: true, from: '', text: part, at: this.host.now(), delivered: false }
      this.show([...this.messages, message])
      this.transmit(message)
    }
  }

  private resume(): void {
    const late = this.host.now() - AGAIN_WITHIN
    const doubtful = new Set(this.sent.filter(({ at }) => at >= late).map(({ id }) => id))
    for (const message of this.messages) if (message.mine && (!message.delivered || doubtful.has(message.id))) this.transmit(message)
  }

  private transmit({ id, text, at }: ChatMessage): void {
    if (this.channel?.readyState !== 'open') return
    this.channel.send(new TextEncoder().encode(JSON.stringify({ type: 'chat', id, text, at })))
    this.sent = [...this.sent.slice(-20), { id, at: this.host.now() }]
    this.show(this.messages.map((said) => (said.mine && said.id === id ? { ...said, delivered: true } : said)))
  }

  private take(data: unknown): void {
    const said = data instanceof ArrayBuffer ? parse(data) : null
    if (said === null) {
      this.dropped++
      return
    }
    const { member, id, text, at } = said
    const own = `${member} ${id}`
    if (this.messages.some((message) => !message.mine && message.id === own)) return
    this.show([...this.messages, { id: own, mine: false, from: this.host.name(member), text, at, delivered: true }])
  }

  private show(messages: readonly ChatMessage[]): void {
    this.messages = messages.slice(-HISTORY_MOST)
    this.host.changed(this.messages)
  }
}

function parse(data: ArrayBuffer): { member: number; id: string; text: string; at: number } | null {
  if (data.byteLength <= SENDER_BYTES) return null
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array(data, SENDER_BYTES)))
    if (typeof value !== 'object' || value === null) return null
    const { type, id, text, at } = value as Record<string, unknown>
    if (type !== 'chat' || !isId(id) || !isText(text, TEXT_MOST) || typeof at !== 'number' || !Number.isFinite(at)) return null
    return { member: new DataView(data).getUint32(0), id, text, at }
  } catch {
    return null
  }
}
