/**
 * The written conversation: every message has an id, is confirmed by the other side, and is sent again on the next
 * channel until it is. An id seen before is confirmed again and shown once.
 */
import { TEXT_MOST, type Control } from './control.js'
import type { ChatMessage } from './model.js'

/** Messages kept; the oldest go first. */
export const HISTORY_MOST = 500

export class Chat {
  constructor(
    public messages: readonly ChatMessage[],
    /** The name of the other side. */
    private readonly friend: () => string,
    private readonly send: (message: Control) => void,
    private readonly changed: (messages: readonly ChatMessage[]) => void,
  ) {}

  /** Says something; longer texts become several messages. */
  say(text: string, newId: () => string, now: number): void {
    for (const part of split(text.trim(), TEXT_MOST)) {
      const message = { id: newId(), mine: true, from: '', text: part, at: now, delivered: false }
      this.add(message)
      this.transmit(message)
    }
  }

  /** A channel is open: what was not confirmed goes again. */
  resume(): void {
    for (const message of this.messages) if (message.mine && !message.delivered) this.transmit(message)
  }

  /** What was said before, in a room that the others left. */
  adopt(messages: readonly ChatMessage[]): void {
    if (messages.length > 0) this.show([...messages, ...this.messages].slice(-HISTORY_MOST))
  }

  take(message: Extract<Control, { type: 'chat' | 'chat-received' }>): void {
    if (message.type === 'chat-received') {
      const waits = ({ mine, delivered, id }: ChatMessage) => mine && !delivered && id === message.id
      if (!this.messages.some(waits)) return
      return this.show(this.messages.map((said) => (waits(said) ? { ...said, delivered: true } : said)))
    }
    this.send({ type: 'chat-received', id: message.id })
    if (this.messages.some(({ mine, id }) => !mine && id === message.id)) return
    this.add({ id: message.id, mine: false, from: this.friend(), text: message.text, at: message.at, delivered: true })
  }

  private transmit({ id, text, at }: ChatMessage): void {
    this.send({ type: 'chat', id, text, at })
  }

  private add(message: ChatMessage): void {
    this.show([...this.messages.slice(1 - HISTORY_MOST), message])
  }

  private show(messages: readonly ChatMessage[]): void {
    this.messages = messages
    this.changed(messages)
  }
}

/** Parts of at most `most` characters, never cut inside a surrogate pair. */
export function split(text: string, most: number): string[] {
  const parts: string[] = []
  let rest = text
  while (rest.length > most) {
    const high = rest.charCodeAt(most - 1)
    const end = high >= 0xd800 && high <= 0xdbff ? most - 1 : most
    parts.push(rest.slice(0, end))
    rest = rest.slice(end)
  }
  return rest === '' ? parts : [...parts, rest]
}
