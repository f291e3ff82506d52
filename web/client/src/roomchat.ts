/**
 * What is written in a room, over the data channel `room`.
 *
 *     {"type": "chat", "id": "…", "text": "…", "at": 1767225600000}
 */
import { HISTORY_MOST, split } from './chat.js'
import { isId, isText } from './control.js'
import type { ChatMessage } from './model.js'
import type { Said } from './roomhistory.js'

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
  /** What we said in this room, not in the call that it was before. */
  private readonly ours = new Set<string>()
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

  /** An owner says something to all groups, by way of the server; `from` is null if it was us, and empty if it was an application. */
  announce(from: string | null, text: string): void {
    this.show([...this.messages, { id: this.host.newId(), mine: from === null, from: from ?? '', text, at: this.host.now(), delivered: true }])
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

  /** What was said in this room, for somebody who was not there; `you` is our own number, `name` our name. */
  history(you: number, name: string): readonly Said[] {
    return this.messages.flatMap(({ id, mine, from, text, at }) => {
      if (mine) return this.ours.has(id) ? [{ member: you, id, from: name, text, at }] : []
      const [member = '', theirs] = id.split(' ')
      return theirs === undefined ? [] : [{ member: Number(member), id: theirs, from, text, at }]
    })
  }

  /** What was said while we were not there. What is new of it comes before what followed it. */
  catchUp(said: readonly Said[], you: number): void {
    const rest = [...this.messages]
    const merged: ChatMessage[] = []
    for (const { member, id, from, text, at } of said) {
      const mine = member === you
      const own = mine ? id : `${member} ${id}`
      const known = rest.findIndex((message) => message.id === own)
      if (known >= 0) merged.push(...rest.splice(0, known + 1))
      else if (!merged.some((message) => message.id === own)) merged.push({ id: own, mine, from: mine ? '' : from, text, at, delivered: true })
    }
    if (merged.length + rest.length > this.messages.length) this.show([...merged, ...rest])
  }

  private transmit({ id, text, at }: ChatMessage): void {
    if (!this.host.open()) return
    this.ours.add(id)
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
