/**
 * The two in a call, as long as the call lasts: one peer connection after the other, and what is said over them.
 *
 * Peer connections of a call are numbered by `generation`, from 1; every description carries the number of the one it
 * belongs to. When a page is loaded anew, or a peer connection is beyond repair, that side makes one of the next
 * generation and offers. Whoever sees a higher number than its own makes a fresh peer connection of that number and
 * answers from it; what carries a lower number comes from the past and is dropped. Numbers only rise and messages
 * arrive in order, so both sides end at the same. PEER.md tells it with the messages.
 */
import { Chat } from './chat.js';
import type { Environment } from './environment.js';
import { Files } from './files.js';
import type { ChatMessage } from './model.js';
import { type Outgoing } from './peer.js';
import type { Candidate, Description, EndReason } from './protocol.js';
import type { TalkChange } from './reducer.js';
import type { OpenSink } from './sink.js';
export interface ConversationHost {
    readonly environment: Environment;
    readonly openSink: OpenSink;
    /** Names this page: another one after every reload. */
    readonly page: string;
    configuration(): RTCConfiguration;
    /** Our own stream, which names what belongs together. */
    readonly stream: MediaStream;
    description(description: Description): void;
    candidate(candidate: Candidate | null): void;
    changed(change: TalkChange): void;
    /** The call cannot go on, or the other side ended it. */
    over(reason: EndReason | 'failed'): void;
}
/** What another page of this tab needs to take the call up. */
export interface StoredConversation {
    readonly generation: number;
    readonly polite: boolean;
    readonly ticket: string;
}
export declare class Conversation {
    private readonly host;
    readonly remote: MediaStream;
    readonly remoteScreen: MediaStream;
    readonly chat: Chat;
    readonly files: Files;
    ticket: string;
    private generation;
    private peer;
    private control;
    private bulk;
    private outgoing;
    private sending;
    /** Whether the person took the call. */
    accepted: boolean;
    /** Until the call is on, what the peer connection says stays here. */
    private held;
    /** The server does not know this call any more: it ends when its path does. */
    private orphaned;
    private closed;
    private everConnected;
    private otherPage;
    /** Whether the other has said hello on the present channel, and whether everything goes on over it. */
    private greeted;
    private resumed;
    private pair;
    private look;
    private cancelConnect;
    private cancelLeave;
    private cancelLook;
    constructor(host: ConversationHost, polite: boolean, stored?: StoredConversation | null, messages?: readonly ChatMessage[]);
    /** The callee, while it rings: the offer and its candidates are ready when the person accepts. */
    offer(): void;
    /** The person accepted: the offer with the candidates so far, if it is ready. What comes later goes by itself. */
    accept(): Description | null;
    /** The server says that the call is on. */
    start(polite: boolean, ticket: string, description: Description | null, rejoined: boolean): void;
    /** A new page of this tab takes the call up. */
    takeUp(): void;
    describe(description: Description): void;
    candidate(candidate: Candidate | null): void;
    /** Sends these tracks, and tells what they are. */
    attach(outgoing: Outgoing): void;
    /** New credentials for STUN and TURN. A path over a relay that will not know the old ones for long is found anew. */
    configure(relayed: boolean): void;
    /** The network is another one now. */
    networkChanged(): void;
    /** The server says whether it can reach the other. */
    present(present: boolean): void;
    /** The call cannot be taken up through the server; its media may go on. */
    orphan(): void;
    /** Tells the other side straight that the page goes away. */
    leave(): void;
    store(): StoredConversation;
    /** Ends it; with `tell` the other side hears of it straight, in case the server is away. */
    close(tell: boolean): void;
    private newPeer;
    private peerEvents;
    /** Another peer connection, of a later generation; tracks, chat and files go on over it. */
    private renew;
    private rejoined;
    private marked;
    private followed;
    private showTracks;
    private useChannels;
    private silence;
    /** Sent if there is a channel; what must not be lost is said again on the next one (`resume`). */
    private say;
    private heard;
    /** Both channels are open and the other has said hello: what a break interrupted goes on. */
    private resume;
    private left;
    private stayed;
    private checkSafety;
    private watch;
    private lookAgain;
}
