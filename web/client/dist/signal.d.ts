/**
 * The way to the server: one session over as many sockets as it takes.
 *
 * The first frame on every socket is `hello`, the first back is `welcome` or `refused`. Everything else that matters
 * is numbered from 1 in each direction. What was sent and not acknowledged stays in `outbox`; a new socket says in
 * `hello` how far we had received, `welcome` says how far the server had, and both send again from there. A number
 * seen before is dropped. So every message arrives once and in order, however often the socket breaks.
 *
 * When the server no longer knows the session (it restarted, or we came too late), `welcome.resumed` is false: the
 * outbox belongs to the lost session and is dropped, and `lost` tells the owner to take its call up again.
 */
import { type Environment } from './environment.js';
import type { ServerLink } from './model.js';
import { type ClientMessage, type ServerMessage } from './protocol.js';
type Typed<M, T> = Extract<M, {
    type: T;
}>;
/** About the socket itself: never numbered. */
type Unnumbered = 'hello' | 'welcome' | 'ack' | 'ping' | 'pong' | 'refused';
export type Welcome = Typed<ServerMessage, 'welcome'>;
export type Request = Exclude<ClientMessage, {
    type: Unnumbered;
}>;
export type Notice = Exclude<ServerMessage, {
    type: Unnumbered;
}>;
/** A session, so that another page of the same tab can go on with it. */
export interface StoredSession {
    readonly session: string;
    /** The highest number received. */
    readonly received: number;
    /** The number of the next message. */
    readonly next: number;
    readonly outbox: readonly Numbered[];
    /** When it can no longer be resumed, ms since the epoch. */
    readonly until: number;
}
interface Numbered {
    readonly seq: number;
    readonly message: Request;
}
export interface SignalEvents {
    link(link: ServerLink): void;
    /** A socket is up; `lost` if a session went before and is gone. */
    welcome(welcome: Welcome, lost: boolean): void;
    /** A numbered message, once and in order; for an `error` with the request it is about, if that was lately. */
    notice(notice: Notice, about: Request | null): void;
    /** The identity to present next time. */
    identity(identity: string): void;
    /** The identity that was presented is not valid (any more). */
    identityRefused(): void;
}
export interface Credentials {
    readonly name: string | null;
    readonly identity: string | null;
}
export declare class Signal {
    private readonly environment;
    private readonly url;
    private readonly events;
    /** Frames that were not what the protocol says: dropped. */
    malformed: number;
    private state;
    private session;
    private credentials;
    private attempt;
    private next;
    private received;
    private outbox;
    private recent;
    private unacknowledged;
    private pingEvery;
    private cancelAck;
    private cancelPing;
    private cancelProbe;
    constructor(environment: Pick<Environment, 'clock' | 'random' | 'socket'>, url: string, events: SignalEvents);
    /** Connects, or goes on with a stored session. Called again, it takes the new credentials for the next socket. */
    start(credentials: Credentials, stored?: StoredSession | null): void;
    /** Closes the socket; the session can be resumed from `store()`. */
    stop(): void;
    /** Sends a numbered message, now or as soon as there is a socket; returns its number. */
    send(message: Request): number;
    /** Tries at once instead of waiting, or makes sure that a socket that looks open still is. */
    wake(): void;
    /** What another page needs to go on with this session; null before the first welcome. */
    store(): StoredSession | null;
    private get clock();
    private open;
    private write;
    private frame;
    private welcomed;
    private numbered;
    private refused;
    private lostSocket;
    private retryIn;
    /** Leaves the socket and every timer that belongs to it. */
    private abandon;
    private forget;
    private owe;
    private acknowledge;
    private acknowledged;
    private schedulePing;
    /** Sends a `ping`; a socket that stays silent for `timeout` ms is dead, whatever the browser says. */
    private probe;
}
export {};
