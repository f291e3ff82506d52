/**
 * What outlives a page: who we are, for all tabs of the browser; and the session with its call, for the next page of
 * this tab.
 *
 * The session is put away when the page goes and taken out (and removed) by the next one. Between the two it lies
 * nowhere: so a tab that is duplicated, which copies the tab's store, starts a session of its own instead of fighting
 * for this one.
 */
import type { StoredConversation } from './conversation.js';
import type { Environment } from './environment.js';
import type { Call } from './model.js';
import type { StoredSession } from './signal.js';
export interface StoredTab {
    readonly session: StoredSession;
    readonly call: Call;
    readonly conversation: StoredConversation | null;
    /** The devices that were on. */
    readonly camera: string | null;
    readonly microphone: string | null;
    readonly muted: boolean;
}
export declare class Memory {
    private readonly environment;
    constructor(environment: Pick<Environment, 'identityStore' | 'tabStore' | 'clock'>);
    get identity(): string | null;
    set identity(identity: string | null);
    get name(): string | null;
    set name(name: string | null);
    putTab(tab: StoredTab | null): void;
    /** The session that the page before this one left, if it can still be resumed. */
    takeTab(): StoredTab | null;
}
