/**
 * Camera, microphone and screen: what the browser gives, or why it does not, as states.
 */
import type { Environment } from './environment.js';
import type { Capture, Devices } from './model.js';
import type { Outgoing } from './peer.js';
export interface MediaEvents {
    capture(source: 'camera' | 'microphone', capture: Capture): void;
    devices(devices: Devices): void;
    /** The tracks to send are others now. */
    tracks(): void;
}
type Kind = 'camera' | 'microphone';
export declare class Media {
    private readonly environment;
    private readonly events;
    /** Our picture and sound; the same object for as long as the page lives. */
    readonly stream: MediaStream;
    private readonly sources;
    private screen;
    private muted;
    private speaker;
    private meter;
    private readonly refresh;
    constructor(environment: Pick<Environment, 'devices' | 'stream' | 'audioContext'>, events: MediaEvents);
    get outgoing(): Outgoing;
    get screenStream(): MediaStream | null;
    isOn(kind: Kind): boolean;
    /** Opens a device, or another one instead of the one that is open. */
    open(kind: Kind, deviceId?: string): Promise<void>;
    close(kind: Kind): void;
    setMuted(muted: boolean): void;
    setSpeaker(deviceId: string): Promise<void>;
    /** Asks for a screen, window or tab; false if the person thought better of it. */
    openScreen(): Promise<boolean>;
    closeScreen(): void;
    /** The loudness of our microphone now, 0 to 1. */
    level(): number;
    /** Gives every device back. */
    end(): void;
    private ask;
    private use;
    /** The browser ended a track: the device was pulled out, or the permission taken back. */
    private ended;
    private drop;
    private remove;
    private show;
    private list;
}
/** Why there is no device (W3C mediacapture-main §10.1.1 names the errors). */
export declare function refusal(name: string, detail: string): Capture;
/** -60 dB relative to full scale and below is 0, -10 dB and above is 1. */
export declare function loudness(samples: Float32Array): number;
export {};
