const IDENTITY = 'visavis.identity';
const NAME = 'visavis.name';
const TAB = 'visavis.tab';
export class Memory {
    environment;
    constructor(environment) {
        this.environment = environment;
    }
    get identity() { return this.environment.identityStore.getItem(IDENTITY); }
    set identity(identity) { put(this.environment.identityStore, IDENTITY, identity); }
    get name() { return this.environment.identityStore.getItem(NAME); }
    set name(name) { put(this.environment.identityStore, NAME, name); }
    putTab(tab) {
        put(this.environment.tabStore, TAB, tab === null ? null : JSON.stringify(tab));
    }
    /** The session that the page before this one left, if it can still be resumed. */
    takeTab() {
        const text = this.environment.tabStore.getItem(TAB);
        this.putTab(null);
        if (text === null)
            return null;
        try {
            const tab = JSON.parse(text);
            return typeof tab.session.session === 'string' && tab.session.until > this.environment.clock.now() ? tab : null;
        }
        catch {
            return null;
        }
    }
}
function put(store, key, value) {
    try {
        if (value === null)
            store.removeItem(key);
        else
            store.setItem(key, value);
    }
    catch {
        // Full or forbidden: the page works without, it only forgets.
    }
}
