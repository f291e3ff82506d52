/**
 * What is written in a room, over the data channel `room`.
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

export interface RoomChatHost {
  now(): number
  newId(): string
  /** The name of a member. */
  name(member: number): string
  changed(messages: readonly ChatMessage[]): void
  /** Whether something can be sent now. */
  open(): boolean
  send(message: object): void
}

export class RoomChat {
  messages: readonly ChatMessage[] = []
  /** Messages that were not what this file says: dropped. */
  dropped = 0
  private sent: { readonly id: string; readonly at: number }[] = []

  constructor(private readonly host: RoomChatHost) {}

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

  /** There is a channel again. */
  resume(): void {
    const late = this.host.now() - AGAIN_WITHIN
    const doubtful = new Set(this.sent.filter(({ at }) => at >= late).map(({ id }) => id))
    for (const message of this.messages) if (message.mine && (!message.delivered || doubtful.has(message.id))) this.transmit(message)
  }

  /** A member says something. */
  take(member: number, message: Readonly<Record<string, unknown>>): void {
    const said = read(message)
    if (said === null) {
      this.dropped++
      return
    }
    const own = `${member} ${said.id}`
    if (this.messages.some((message) => !message.mine && message.id === own)) return
    this.show([...this.messages, { id: own, mine: false, from: this.host.name(member), text: said.text, at: said.at, delivered: true }])
  }

  private transmit({ id, text, at }: ChatMessage): void {
    if (!this.host.open()) return
    this.host.send({ type: 'chat', id, text, at })
    this.sent = [...this.sent.slice(-20), { id, at: this.host.now() }]
    this.show(this.messages.map((said) => (said.mine && said.id === id ? { ...said, delivered: true } : said)))
  }

  private show(messages: readonly ChatMessage[]): void {
    this.messages = messages.slice(-HISTORY_MOST)
    this.host.changed(this.messages)
  }
}

function read({ type, id, text, at }: Readonly<Record<string, unknown>>): { id: string; text: string; at: number } | null {
  return type === 'chat' && isId(id) && isText(text, TEXT_MOST) && typeof at === 'number' && Number.isFinite(at) ? { id, text, at } : null
}
