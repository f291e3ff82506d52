/**
 * A file on its way out: which bytes go next, and the hashes of the blocks that went by.
 *
 * One block of the file is in memory at a time, however large the file is.
 */
import { type BulkFrame } from './bulk.js';
export declare class OutgoingFile {
    readonly number: number;
    private readonly file;
    /** Bytes the receiver is known to have. */
    kept: number;
    private next;
    private ended;
    private leaves;
    private block;
    constructor(number: number, file: Blob);
    /** Sends from this byte on. Past the end makes no sense and is taken for the end. */
    seek(at: number): void;
    keep(at: number): void;
    /** Whether a frame can go now. */
    ready(): boolean;
    /** The next frame. Throws what the browser throws when the file cannot be read (any more). */
    frame(): Promise<BulkFrame>;
    private root;
    private read;
}
