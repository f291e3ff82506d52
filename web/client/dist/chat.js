/**
 * The written conversation: every message has an id, is confirmed by the other side, and is sent again on the next
 * channel until it is. An id seen before is confirmed again and shown once.
 */
import { TEXT_MOST } from './control.js';
/** Messages kept; the oldest go first. */
export const HISTORY_MOST = 500;
export class Chat {
    messages;
    send;
    changed;
    constructor(messages, send, changed) {
        this.messages = messages;
        this.send = send;
        this.changed = changed;
    }
    /** Says something; longer texts become several messages. */
    say(text, newId, now) {
        for (const part of split(text.trim())) {
            const message = { id: newId(), mine: true, text: part, at: now, delivered: false };
            this.add(message);
            this.transmit(message);
        }
    }
    /** A channel is open: what was not confirmed goes again. */
    resume() {
        for (const message of this.messages)
            if (message.mine && !message.delivered)
                this.transmit(message);
    }
    take(message) {
        if (message.type === 'chat-received') {
            const waits = ({ mine, delivered, id }) => mine && !delivered && id === message.id;
            if (!this.messages.some(waits))
                return;
            return this.show(this.messages.map((said) => (waits(said) ? { ...said, delivered: true } : said)));
        }
        this.send({ type: 'chat-received', id: message.id });
        if (this.messages.some(({ mine, id }) => !mine && id === message.id))
            return;
        this.add({ id: message.id, mine: false, text: message.text, at: message.at, delivered: true });
    }
    transmit({ id, text, at }) {
        this.send({ type: 'chat', id, text, at });
    }
    add(message) {
        this.show([...this.messages.slice(1 - HISTORY_MOST), message]);
    }
    show(messages) {
        this.messages = messages;
        this.changed(messages);
    }
}
/** Parts of at most `TEXT_MOST` characters, never cut inside a surrogate pair. */
function split(text) {
    const parts = [];
    let rest = text;
    while (rest.length > TEXT_MOST) {
        const high = rest.charCodeAt(TEXT_MOST - 1);
        const end = high >= 0xd800 && high <= 0xdbff ? TEXT_MOST - 1 : TEXT_MOST;
        parts.push(rest.slice(0, end));
        rest = rest.slice(end);
    }
    return rest === '' ? parts : [...parts, rest];
}
