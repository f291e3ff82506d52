/**
 * The messages of the control channel: JSON text frames straight between the two (PEER.md lists them for others).
 *
 * `parse` accepts exactly what is written here and makes null of everything else, so that nothing the other side
 * sends can reach the code behind it in a shape it does not expect.
 */
/** Characters in a chat message, as UTF-16 counts them. */
export declare const TEXT_MOST = 4000;
export type Control = 
/** First on every channel: the version, what is on, and a number that stays as long as the page lives. */
{
    readonly type: 'hello';
    readonly version: number;
    readonly page: string;
    readonly sending: Sending;
} | {
    readonly type: 'sending';
    readonly sending: Sending;
} | {
    readonly type: 'chat';
    readonly id: string;
    readonly text: string;
    readonly at: number;
} | {
    readonly type: 'chat-received';
    readonly id: string;
}
/** A file is there to take; said again after a break, so that the other says where it stands. `file` is its number. */
 | {
    readonly type: 'file-offer';
    readonly file: number;
    readonly name: string;
    readonly size: number;
    readonly mime: string;
}
/** Send it from this byte on. */
 | {
    readonly type: 'file-take';
    readonly file: number;
    readonly at: number;
}
/** Bytes up to here are kept: more may be sent. */
 | {
    readonly type: 'file-kept';
    readonly file: number;
    readonly at: number;
}
/** It arrived whole and the hash is right. */
 | {
    readonly type: 'file-done';
    readonly file: number;
}
/** Not wanted, not wanted any more, or not possible. */
 | {
    readonly type: 'file-stop';
    readonly file: number;
    readonly why: StopReason;
}
/** The page goes away; it may come back in a moment. */
 | {
    readonly type: 'leaving';
}
/** The call is over; also said through the server, which may be away. */
 | {
    readonly type: 'end';
};
export interface Sending {
    readonly camera: boolean;
    readonly microphone: boolean;
    readonly screen: boolean;
}
export type StopReason = 'refused' | 'cancelled' | 'failed';
/** The message in a frame, or null. */
export declare function parse(data: unknown): Control | null;
