/** Where the bytes of a received file go: memory that the browser may move to disk, or a file the person chose. */
export interface FileSink {
    write(block: Uint8Array<ArrayBuffer>): Promise<void>;
    /** All was written; the URL where the file can be had, null if it is on disk already. */
    close(): Promise<string | null>;
    /** Not all came: leaves nothing behind. */
    abort(): void;
}
export interface OfferedFile {
    readonly name: string;
    readonly size: number;
    readonly mime: string;
}
/** Makes the place for a file, or null if the person thought better of it. */
export type OpenSink = (file: OfferedFile) => Promise<FileSink | null>;
/** Large files to disk where that is possible, others to memory. To be called from the person's click. */
export declare const openSink: OpenSink;
/** Collects a Blob. Its parts are Blobs themselves, which browsers keep on disk when there are many. */
export declare function blobSink(mime: string): FileSink;
/** Writes to a file that the person chose; it appears there only when it is complete. */
export declare function diskSink(writable: FileSystemWritableFileStream): FileSink;
/**
 * A name that is safe to show and to save under on every system: one path element, no control or direction marks
 * (which could make `exe.jpg` out of `gpj.exe`), not hidden, not a device, at most 200 characters.
 */
export declare function safeName(name: string): string;
