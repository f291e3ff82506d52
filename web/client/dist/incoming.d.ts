/**
 * A file on its way in: gathers blocks, hashes and writes them one after the other, and says in the end whether it
 * is the file that was sent.
 */
import { type BulkFrame } from './bulk.js';
import type { FileSink } from './sink.js';
export interface IncomingEvents {
    /** Bytes up to here are here; `tell` if the sender should know. */
    progress(at: number, tell: boolean): void;
    done(url: string | null): void;
    failed(): void;
}
export declare class IncomingFile {
    private readonly size;
    private readonly sink;
    private readonly events;
    /** The next byte that is wanted. */
    at: number;
    private told;
    private backlog;
    private over;
    private block;
    private fill;
    private readonly leaves;
    private work;
    constructor(size: number, sink: FileSink, events: IncomingEvents);
    /** Takes a frame; false if it was not what is wanted now, and was dropped. */
    take(frame: BulkFrame): boolean;
    cancel(): void;
    /** Forgets what it told, because the sender was told where to go on. */
    resumed(): void;
    private append;
    private flush;
    /** A block for what comes next, no longer than what is missing. */
    private emptyBlock;
    private tell;
    private end;
    private enqueue;
    private fail;
}
