/**
 * The written conversation: every message has an id, is confirmed by the other side, and is sent again on the next
 * channel until it is. An id seen before is confirmed again and shown once.
 */
import { type Control } from './control.js';
import type { ChatMessage } from './model.js';
/** Messages kept; the oldest go first. */
export declare const HISTORY_MOST = 500;
export declare class Chat {
    messages: readonly ChatMessage[];
    private readonly send;
    private readonly changed;
    constructor(messages: readonly ChatMessage[], send: (message: Control) => void, changed: (messages: readonly ChatMessage[]) => void);
    /** Says something; longer texts become several messages. */
    say(text: string, newId: () => string, now: number): void;
    /** A channel is open: what was not confirmed goes again. */
    resume(): void;
    take(message: Extract<Control, {
        type: 'chat' | 'chat-received';
    }>): void;
    private transmit;
    private add;
    private show;
}
