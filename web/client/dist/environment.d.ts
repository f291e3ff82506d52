/**
 * Everything the client takes from the world, so that a test can hand in another: time, chance, storage, sockets,
 * peer connections, devices and the events of the page.
 */
/** Time. */
export interface Clock {
    /** Milliseconds since the epoch. */
    now(): number;
    /** Calls `then` once after `ms` milliseconds; the result cancels it. */
    after(ms: number, then: () => void): () => void;
}
/** The part of Storage that is used (localStorage, sessionStorage). */
export type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
/** The part of WebSocket that is used. */
export interface SocketLike {
    onopen: ((event: never) => unknown) | null;
    onmessage: ((event: MessageEvent) => unknown) | null;
    onclose: ((event: never) => unknown) | null;
    send(data: string): void;
    close(): void;
}
/** The part of RTCPeerConnection that is used. */
export type PeerConnectionLike = Pick<RTCPeerConnection, 'addIceCandidate' | 'addTransceiver' | 'close' | 'connectionState' | 'createDataChannel' | 'currentLocalDescription' | 'currentRemoteDescription' | 'getStats' | 'getTransceivers' | 'iceConnectionState' | 'localDescription' | 'onconnectionstatechange' | 'onicecandidate' | 'oniceconnectionstatechange' | 'onnegotiationneeded' | 'remoteDescription' | 'restartIce' | 'sctp' | 'setConfiguration' | 'setLocalDescription' | 'setRemoteDescription' | 'signalingState'>;
/** What happens to the page. */
export interface PageEvents {
    /** The network came back or changed, or the page is looked at again: now is the time to try. */
    wake(networkChanged: boolean): void;
    /** The page goes away: closed, left or about to be loaded anew; nobody can tell which. */
    leave(): void;
}
/** All of it. */
export interface Environment {
    readonly clock: Clock;
    /** Fills an array with cryptographically random bytes. */
    random(bytes: Uint8Array): Uint8Array;
    /** Shared by all tabs of a browser: who we are. */
    readonly identityStore: Store;
    /** Of this tab alone: the session across a reload. */
    readonly tabStore: Store;
    socket(url: string): SocketLike;
    peerConnection(configuration: RTCConfiguration): PeerConnectionLike;
    stream(): MediaStream;
    /** Absent outside a secure context. */
    readonly devices: MediaDevices | null;
    /** Absent where there is no Web Audio. */
    readonly audioContext: (() => AudioContext) | null;
    /** Follows the page; the result stops that. */
    watch(events: PageEvents): () => void;
}
/** The environment of a browser's page. */
export declare function browserEnvironment(): Environment;
/** A store that forgets, for pages whose storage is forbidden (private windows, sandboxed frames). */
export declare function memoryStore(): Store;
/** A random name of `bytes` bytes in base64url (RFC 4648 §5); 16 bytes make the 22 characters of a call id. */
export declare function randomId(environment: Pick<Environment, 'random'>, bytes?: number): string;
/** A random number from `least` to `most`. */
export declare function randomBetween(environment: Pick<Environment, 'random'>, least: number, most: number): number;
