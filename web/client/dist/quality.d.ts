/**
 * What getStats says, in words a person understands: a pure function over two looks at the same peer connection.
 *
 * Chromium and Firefox differ in little (W3C webrtc-stats): Chromium names the selected pair in the `transport`,
 * Firefox may mark it `selected`; Firefox leaves out what it does not know. Every field is therefore taken as absent
 * until it is a number.
 */
import type { Quality } from './model.js';
/** One look. */
export interface Snapshot {
    /** ms, of any clock that does not go back. */
    readonly at: number;
    readonly stats: readonly Stat[];
}
export type Stat = Readonly<Record<string, unknown>> & {
    readonly id: string;
    readonly type: string;
};
export declare const UNKNOWN: Quality;
/** A report as plain data. */
export declare function snapshot(report: RTCStatsReport, at: number): Snapshot;
/** The numbers between two looks, and what to make of them; without an earlier look, what one look can say. */
export declare function quality(before: Snapshot | null, now: Snapshot): Quality;
/**
 * - Round trip: ITU-T G.114 holds one way up to 150 ms good for all uses and up to 400 ms acceptable; half of the
 *   round trip is one way, and devices and jitter buffers add about 100 ms in each direction, which leaves 100 ms
 *   (round trip 200 ms) for good and 300 ms (600 ms) for fair.
 * - Loss: ITU-T G.1010 asks for less than 3 % in a conversation by voice and 1 % by video phone. Opus with in-band
 *   FEC and retransmitted video stand somewhat more: up to 2 % is good, up to 8 % fair.
 */
export declare function verdict(loss: number, roundTrip: number | null): Quality['verdict'];
