import type { Control } from './control.js';
import type { Clock } from './environment.js';
import type { FileTransfer } from './model.js';
import { type OpenSink } from './sink.js';
/** The part of RTCDataChannel that is used. */
export type BulkChannel = Pick<RTCDataChannel, 'bufferedAmount' | 'bufferedAmountLowThreshold' | 'onbufferedamountlow' | 'readyState'> & {
    send(data: ArrayBuffer): void;
};
export type FileMessage = Extract<Control, {
    file: number;
}>;
export interface FilesHost {
    readonly clock: Clock;
    newNumber(): number;
    readonly openSink: OpenSink;
    send(message: Control): void;
    changed(files: readonly FileTransfer[]): void;
}
export declare class Files {
    private readonly host;
    /** Frames and messages that nobody asked for: dropped. */
    dropped: number;
    private entries;
    private channel;
    private pumping;
    private turn;
    constructor(host: FilesHost);
    /** Offers files to the other side. */
    offer(files: readonly File[]): void;
    /** Takes an offered file. To be called from the person's click, because a dialog may open. */
    take(id: string): Promise<void>;
    refuse(id: string): void;
    cancel(id: string): void;
    /** New channels are open. */
    resume(channel: BulkChannel): void;
    /** The channels are gone. */
    pause(): void;
    /** The other page is a new one: what it was sending is lost with the old. */
    otherPage(): void;
    /** The call is over. */
    close(): void;
    /** A message about a file. */
    control(message: FileMessage): void;
    /** A message of the bulk channel. */
    bytes(data: unknown): void;
    private offered;
    private answered;
    /** Sends frames, of each running file in turn, until there is nothing to send or the buffer is full. */
    private pump;
    private sendFrame;
    private nextReady;
    private waiting;
    private add;
    private finish;
    private progress;
    private show;
    private report;
}
