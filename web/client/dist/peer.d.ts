/**
 * One RTCPeerConnection and its negotiation.
 *
 * Whoever makes the first offer (`open`) lays out four media sections, always these and in this order:
 *
 *     0 audio    microphone      2 video    screen
 *     1 video    camera          3 application  control and bulk data channels
 *
 * All are sendrecv from the first offer to the end. Turning a camera on or off, changing the device or sharing the
 * screen is `replaceTrack` and nothing more: no new offer, no gap. What a section carries follows from its place;
 * whether it carries anything the control channel says. The answerer adds no transceivers of its own (JSEP, RFC 8829
 * §5.10, would not match them) but takes those that the offer makes.
 *
 * Later offers come from ICE restarts only. Two at once are settled by perfect negotiation (W3C WebRTC §10.7): the
 * polite side rolls back. Only the very first two at once cannot be: the polite side's own transceivers would remain
 * beside those of the offer. Then it takes a fresh peer connection (`replace`), which costs nothing yet.
 *
 * Everything that touches the descriptions runs one after the other in `work`; so `signalingState` is true when
 * it is looked at, and candidates stay behind the description they belong to.
 */
import type { Clock, PeerConnectionLike } from './environment.js';
import type { Candidate, Description } from './protocol.js';
export type Path = 'connecting' | 'connected' | 'reconnecting';
export interface PeerEvents {
    /** For the other side. */
    description(description: Description): void;
    /** For the other side; null at the end of a generation of candidates. */
    candidate(candidate: Candidate | null): void;
    path(path: Path): void;
    /** The media sections stand: tracks can be attached and taken. */
    media(): void;
    /** The channels exist (they open later). */
    channels(control: RTCDataChannel, bulk: RTCDataChannel): void;
    /** Descriptions in force have changed. */
    described(): void;
    /** This peer connection cannot go on: the owner makes another of the next generation. */
    dead(): void;
}
/** The tracks we send; null sends nothing. */
export interface Outgoing {
    readonly microphone: MediaStreamTrack | null;
    readonly camera: MediaStreamTrack | null;
    readonly screen: MediaStreamTrack | null;
}
export declare class Peer {
    private configuration;
    private readonly create;
    private readonly clock;
    /** Names microphone and camera as one stream, so that the other side plays lips and voice together. */
    private readonly stream;
    private readonly events;
    polite: boolean;
    path: Path;
    /** Remote messages that made no sense: dropped. */
    dropped: number;
    private pc;
    private work;
    private early;
    private opened;
    private closed;
    private restarts;
    private cancelRestart;
    private outgoing;
    constructor(polite: boolean, configuration: RTCConfiguration, create: (configuration: RTCConfiguration) => PeerConnectionLike, clock: Clock, 
    /** Names microphone and camera as one stream, so that the other side plays lips and voice together. */
    stream: MediaStream, events: PeerEvents);
    /** Makes the first offer. */
    open(): void;
    /** A description from the other side. */
    describe(description: Description): void;
    /** A candidate from the other side. */
    candidate(candidate: Candidate | null): void;
    /** Sends these tracks from now on. */
    attach(outgoing: Outgoing): void;
    /** The tracks of the other side, once the sections stand: microphone, camera, screen. */
    incoming(): readonly MediaStreamTrack[];
    /** The descriptions in force, null before both are. */
    descriptions(): {
        readonly local: string;
        readonly remote: string;
    } | null;
    /** The offer that was made and not answered, with the candidates so far; null if there is none. */
    pendingOffer(): Description | null;
    stats(): Promise<RTCStatsReport>;
    /** The largest message a data channel takes, bytes. */
    maxMessageSize(): number;
    /** New credentials: used from the next gathering on. */
    configure(configuration: RTCConfiguration): void;
    /** Finds a path anew; the media go on over the old one while it lasts. */
    restart(): void;
    close(): void;
    private enqueue;
    private fresh;
    private silence;
    private replace;
    private take;
    /** Takes the sections of the other side's first offer for our own use. */
    private adopt;
    private openChannels;
    private sections;
    private announce;
    private addEarly;
    /** Rates and what to give up first when there is not enough: of a face smoothness and sharpness, of a screen motion. */
    private tune;
    private follow;
    private mend;
    private tryRestart;
    private turn;
}
