/** Model and event make the next model. Nothing else changes a model, and one event makes one. */
import type { Call, Capture, Devices, Model, RunningCall, ServerLink } from './model.js';
import type { EndReason, Person } from './protocol.js';
import type { Notice, Request } from './signal.js';
export type Event = {
    readonly type: 'link';
    readonly link: ServerLink;
} | {
    readonly type: 'welcome';
    readonly me: Person;
}
/** A numbered message of the server; with `error` the request it is about. */
 | {
    readonly type: 'notice';
    readonly notice: Notice;
    readonly about: Request | null;
    readonly now: number;
} | {
    readonly type: 'capture';
    readonly source: 'camera' | 'microphone';
    readonly capture: Capture;
} | {
    readonly type: 'devices';
    readonly devices: Devices;
}
/** We call, wait at a link, or take up a call after a reload. */
 | {
    readonly type: 'begin';
    readonly call: Call;
}
/** What happens inside a running call. */
 | {
    readonly type: 'talk';
    readonly call: string;
    readonly change: TalkChange;
}
/** We end it, or it cannot go on. */
 | {
    readonly type: 'over';
    readonly reason: EndReason | 'failed';
    readonly now: number;
}
/** Back to nothing: a call put away, declined, or a link left. */
 | {
    readonly type: 'dismiss';
};
export type TalkChange = Partial<Pick<RunningCall, 'path' | 'remote' | 'sharingScreen' | 'messages' | 'files' | 'quality' | 'safetyCode'>>;
export declare const INITIAL: Model;
export declare function reduce(model: Model, event: Event): Model;
/** The id of the call that goes on; null if there is none. */
export declare function callId(call: Call): string | null;
/** Whether a new call can begin. */
export declare function isFree(call: Call): boolean;
