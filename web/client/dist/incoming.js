/**
 * A file on its way in: gathers blocks, hashes and writes them one after the other, and says in the end whether it
 * is the file that was sent.
 */
import { WINDOW } from './bulk.js';
import { BLOCK, leafHash, rootHash } from './filehash.js';
/** Tell the sender after this many bytes. */
const TELL_EVERY = 128 << 10;
/** With this many bytes waiting to be written, the sender hears nothing and so stops at its window. */
const BACKLOG_MOST = 4 << 20;
export class IncomingFile {
    size;
    sink;
    events;
    /** The next byte that is wanted. */
    at = 0;
    told = 0;
    backlog = 0;
    over = false;
    block;
    fill = 0;
    leaves = [];
    work = Promise.resolve();
    constructor(size, sink, events) {
        this.size = size;
        this.sink = sink;
        this.events = events;
        this.block = this.emptyBlock();
    }
    /** Takes a frame; false if it was not what is wanted now, and was dropped. */
    take(frame) {
        if (this.over)
            return false;
        if (frame.end) {
            this.end(frame);
            return true;
        }
        if (frame.offset !== this.at || frame.bytes.length === 0)
            return false;
        // More than was offered, or more than the window allows: not what was agreed.
        if (this.at + frame.bytes.length > this.size || this.backlog > BACKLOG_MOST + 2 * WINDOW) {
            this.fail();
            return true;
        }
        this.append(frame.bytes);
        this.tell();
        return true;
    }
    cancel() {
        if (this.over)
            return;
        this.over = true;
        void this.work.then(() => this.sink.abort());
    }
    /** Forgets what it told, because the sender was told where to go on. */
    resumed() {
        this.told = this.at;
    }
    append(bytes) {
        let rest = bytes;
        while (rest.length > 0) {
            const part = rest.subarray(0, this.block.length - this.fill);
            this.block.set(part, this.fill);
            this.fill += part.length;
            this.at += part.length;
            rest = rest.subarray(part.length);
            if (this.fill === this.block.length)
                this.flush();
        }
    }
    flush() {
        const block = this.block;
        this.backlog += block.length;
        this.fill = 0;
        this.block = this.emptyBlock();
        this.enqueue(async () => {
            this.leaves.push(await leafHash(block));
            await this.sink.write(block);
            this.backlog -= block.length;
            if (!this.over)
                this.tell();
        });
    }
    /** A block for what comes next, no longer than what is missing. */
    emptyBlock() {
        return new Uint8Array(Math.min(BLOCK, this.size - this.at));
    }
    tell() {
        const tell = this.backlog <= BACKLOG_MOST && (this.at - this.told >= TELL_EVERY || (this.at === this.size && this.told < this.at));
        if (tell)
            this.told = this.at;
        this.events.progress(this.at, tell);
    }
    end(frame) {
        const expected = [...frame.bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
        if (frame.offset !== this.size || this.at !== this.size)
            return this.fail();
        this.enqueue(async () => {
            const root = await rootHash(this.size, this.leaves);
            if (this.over)
                return;
            if (root !== expected)
                return this.fail();
            const url = await this.sink.close();
            this.over = true;
            this.events.done(url);
        });
    }
    enqueue(step) {
        this.work = this.work.then(async () => {
            if (!this.over)
                await step();
        }).catch(() => this.fail());
    }
    fail() {
        if (this.over)
            return;
        this.cancel();
        this.events.failed();
    }
}
