/**
 * The frames of the bulk channel, which carries the bytes of all files:
 *
 *      0        4                 12
 *     +--------+------------------+----------------
 *     |  file  | E      offset    | bytes …
 *     +--------+------------------+----------------
 *
 * `file` is the number from the offer, `offset` (63 bits, big-endian like all) where the bytes belong. With the E bit
 * the frame ends the file: the offset is its size and the bytes are its root hash (filehash.ts). The end travels on
 * this channel, because nothing orders the two channels against each other.
 */
export declare const HEADER = 12;
/** Bytes of a file in one frame: small enough that the chat beside it does not wait long. */
export declare const CHUNK = 16384;
/** Bytes that may be under way and not yet known to be kept. */
export declare const WINDOW: number;
export interface BulkFrame {
    readonly file: number;
    readonly offset: number;
    readonly end: boolean;
    readonly bytes: Uint8Array<ArrayBuffer>;
}
export declare function writeFrame(frame: BulkFrame): ArrayBuffer;
/** The frame in a message, or null if it is none. */
export declare function readFrame(data: unknown): BulkFrame | null;
