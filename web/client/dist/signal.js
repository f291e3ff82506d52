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
import { randomBetween } from './environment.js';
import { VERSION } from './protocol.js';
/** Milliseconds to wait for a socket to open and for `welcome`. */
const OPENING_TIMEOUT = 10_000;
/** Milliseconds to wait for any frame after a `ping`. */
const PONG_TIMEOUT = 8_000;
/** The same when there is a reason to doubt the network. */
const PROBE_TIMEOUT = 3_000;
/** Retries: the first about at once, then doubling to this many milliseconds. */
const RETRY_FIRST = 200;
const RETRY_MOST = 15_000;
/** After a refusal for sending too much. */
const RETRY_LIMITED = 20_000;
/** Acknowledge after this many messages or milliseconds, unless another frame does it before. */
const ACK_EVERY = 16;
const ACK_DELAY = 500;
/** Messages waiting for acknowledgement; a session that falls further behind is given up. */
const OUTBOX_MOST = 1024;
/** Requests remembered to know what an `error` is about. */
const RECENT_MOST = 64;
export class Signal {
    environment;
    url;
    events;
    /** Frames that were not what the protocol says: dropped. */
    malformed = 0;
    state = { kind: 'stopped' };
    session = null;
    credentials = { name: null, identity: null };
    attempt = 0;
    next = 1;
    received = 0;
    outbox = [];
    recent = [];
    unacknowledged = 0;
    pingEvery = 20_000;
    cancelAck = null;
    cancelPing = null;
    cancelProbe = null;
    constructor(environment, url, events) {
        this.environment = environment;
        this.url = url;
        this.events = events;
    }
    /** Connects, or goes on with a stored session. Called again, it takes the new credentials for the next socket. */
    start(credentials, stored = null) {
        this.credentials = credentials;
        if (this.state.kind !== 'stopped')
            return;
        if (stored !== null && stored.until > this.clock.now()) {
            this.session = { name: stored.session, resumeSeconds: 0 };
            this.next = stored.next;
            this.received = stored.received;
            this.outbox = [...stored.outbox];
        }
        this.attempt = 0;
        this.open();
    }
    /** Closes the socket; the session can be resumed from `store()`. */
    stop() {
        this.abandon();
        this.state = { kind: 'stopped' };
        this.events.link({ kind: 'offline' });
    }
    /** Sends a numbered message, now or as soon as there is a socket; returns its number. */
    send(message) {
        const seq = this.next++;
        this.outbox.push({ seq, message });
        this.recent = [...this.recent.slice(1 - RECENT_MOST), { seq, message }];
        if (this.outbox.length > OUTBOX_MOST)
            this.session = null;
        if (this.state.kind === 'open')
            this.write(this.state.socket, message, seq);
        return seq;
    }
    /** Tries at once instead of waiting, or makes sure that a socket that looks open still is. */
    wake() {
        switch (this.state.kind) {
            case 'waiting':
                this.state.cancel();
                this.open();
                break;
            case 'open':
                this.probe(PROBE_TIMEOUT);
                break;
            case 'opening':
            case 'stopped':
                break;
        }
    }
    /** What another page needs to go on with this session; null before the first welcome. */
    store() {
        if (this.session === null)
            return null;
        return {
            session: this.session.name,
            received: this.received,
            next: this.next,
            outbox: this.outbox,
            until: this.clock.now() + this.session.resumeSeconds * 1000,
        };
    }
    get clock() { return this.environment.clock; }
    open() {
        this.events.link(this.attempt === 0 ? { kind: 'connecting' } : { kind: 'reconnecting', attempt: this.attempt, nextTry: this.clock.now() });
        const socket = this.environment.socket(this.url);
        const giveUp = this.clock.after(OPENING_TIMEOUT, () => this.lostSocket(socket));
        this.state = { kind: 'opening', socket, giveUp };
        socket.onopen = () => this.write(socket, {
            type: 'hello',
            protocol: VERSION,
            name: this.credentials.name,
            identity: this.credentials.identity,
            resume: this.session === null ? null : { session: this.session.name, received: this.received },
        });
        socket.onmessage = (event) => this.frame(socket, event.data);
        socket.onclose = () => this.lostSocket(socket);
    }
    write(socket, message, seq) {
        // `hello` says what was received in `resume`; the number would mean nothing before the server knows the session.
        const frame = message.type === 'hello' ? message : { ...(seq === undefined ? {} : { seq }), ack: this.received, ...message };
        if (message.type !== 'hello')
            this.acknowledged();
        socket.send(JSON.stringify(frame));
    }
    frame(socket, data) {
        if (this.state.kind !== 'opening' && this.state.kind !== 'open')
            return;
        if (this.state.socket !== socket)
            return;
        const frame = parseFrame(data);
        if (frame === null) {
            this.malformed++;
            return;
        }
        this.cancelProbe?.();
        this.cancelProbe = null;
        if (frame.ack !== undefined)
            this.forget(frame.ack);
        switch (frame.type) {
            case 'welcome': return this.welcomed(socket, frame);
            case 'refused': return this.refused(frame.code, frame.message);
            case 'ack':
            case 'pong':
                return;
            default: return this.numbered(socket, frame.seq, frame);
        }
    }
    welcomed(socket, welcome) {
        if (this.state.kind !== 'opening')
            return;
        this.state.giveUp();
        this.state = { kind: 'open', socket };
        const lost = this.session !== null && !welcome.resumed;
        if (lost)
            this.outbox = [];
        if (!welcome.resumed) {
            this.received = 0;
            this.outbox = this.outbox.map(({ message }, index) => ({ seq: index + 1, message }));
            this.next = this.outbox.length + 1;
            this.recent = [...this.outbox];
        }
        else {
            this.forget(welcome.received);
            this.next = Math.max(this.next, welcome.received + 1);
        }
        this.session = { name: welcome.session, resumeSeconds: welcome.resumeTimeout };
        this.credentials = { ...this.credentials, identity: welcome.identity };
        this.attempt = 0;
        this.pingEvery = Math.max(1000, (welcome.idleTimeout * 1000) / 2.5);
        for (const { seq, message } of this.outbox)
            this.write(socket, message, seq);
        this.schedulePing();
        this.events.identity(welcome.identity);
        this.events.link({ kind: 'online', draining: welcome.draining });
        this.events.welcome(welcome, lost);
    }
    numbered(socket, seq, notice) {
        if (seq === undefined || this.state.kind !== 'open') {
            this.malformed++;
            return;
        }
        if (seq <= this.received)
            return;
        if (seq > this.received + 1) {
            // A gap cannot happen on one socket; a new one makes the server send again what is missing.
            this.malformed++;
            this.lostSocket(socket);
            return;
        }
        this.received = seq;
        const about = notice.type === 'error' ? this.recent.find((request) => request.seq === notice.about) : undefined;
        this.events.notice(notice, about?.message ?? null);
        this.owe();
    }
    refused(code, message) {
        this.abandon();
        if (code === 'identity' && this.credentials.identity !== null) {
            this.session = null;
            this.credentials = { ...this.credentials, identity: null };
            this.events.identityRefused();
            if (this.credentials.name !== null)
                return this.open();
        }
        if (code === 'limit')
            return this.retryIn(RETRY_LIMITED);
        if (code === 'replaced')
            this.session = null;
        this.state = { kind: 'stopped' };
        this.events.link({ kind: 'refused', code, message });
    }
    lostSocket(socket) {
        if (this.state.kind !== 'opening' && this.state.kind !== 'open')
            return;
        if (this.state.socket !== socket)
            return;
        this.abandon();
        const most = Math.min(RETRY_MOST, RETRY_FIRST * 2 ** Math.min(this.attempt, 10));
        // Half of it by chance, so that the clients of a restarted server do not come back all at once.
        this.retryIn(randomBetween(this.environment, most / 2, most));
    }
    retryIn(ms) {
        this.attempt++;
        this.state = { kind: 'waiting', cancel: this.clock.after(ms, () => this.open()) };
        this.events.link({ kind: 'reconnecting', attempt: this.attempt, nextTry: this.clock.now() + ms });
    }
    /** Leaves the socket and every timer that belongs to it. */
    abandon() {
        this.acknowledged();
        this.cancelPing?.();
        this.cancelProbe?.();
        this.cancelPing = this.cancelProbe = null;
        if (this.state.kind === 'waiting')
            this.state.cancel();
        if (this.state.kind === 'opening')
            this.state.giveUp();
        if (this.state.kind !== 'opening' && this.state.kind !== 'open')
            return;
        const { socket } = this.state;
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
    }
    forget(upTo) {
        this.outbox = this.outbox.filter(({ seq }) => seq > upTo);
    }
    owe() {
        if (++this.unacknowledged >= ACK_EVERY)
            return this.acknowledge();
        this.cancelAck ??= this.clock.after(ACK_DELAY, () => this.acknowledge());
    }
    acknowledge() {
        if (this.unacknowledged > 0 && this.state.kind === 'open')
            this.write(this.state.socket, { type: 'ack' });
    }
    acknowledged() {
        this.unacknowledged = 0;
        this.cancelAck?.();
        this.cancelAck = null;
    }
    schedulePing() {
        this.cancelPing?.();
        this.cancelPing = this.clock.after(this.pingEvery, () => {
            this.probe(PONG_TIMEOUT);
            this.schedulePing();
        });
    }
    /** Sends a `ping`; a socket that stays silent for `timeout` ms is dead, whatever the browser says. */
    probe(timeout) {
        if (this.state.kind !== 'open')
            return;
        const { socket } = this.state;
        this.write(socket, { type: 'ping' });
        this.cancelProbe?.();
        this.cancelProbe = this.clock.after(timeout, () => this.lostSocket(socket));
    }
}
/** A frame, if it is one: an object with a `type`, and numbers where numbers must stand. */
function parseFrame(data) {
    if (typeof data !== 'string')
        return null;
    try {
        const frame = JSON.parse(data);
        if (typeof frame !== 'object' || frame === null || !('type' in frame) || typeof frame.type !== 'string')
            return null;
        const { seq, ack } = frame;
        if (seq !== undefined && !Number.isSafeInteger(seq))
            return null;
        if (ack !== undefined && !Number.isSafeInteger(ack))
            return null;
        return frame;
    }
    catch {
        return null;
    }
}
