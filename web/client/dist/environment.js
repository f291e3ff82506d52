/**
 * Everything the client takes from the world, so that a test can hand in another: time, chance, storage, sockets,
 * peer connections, devices and the events of the page.
 */
/** The environment of a browser's page. */
export function browserEnvironment() {
    return {
        clock: {
            now: () => Date.now(),
            after: (ms, then) => {
                const timer = setTimeout(then, ms);
                return () => clearTimeout(timer);
            },
        },
        random: (bytes) => crypto.getRandomValues(bytes),
        identityStore: storeOr(() => localStorage),
        tabStore: storeOr(() => sessionStorage),
        socket: (url) => new WebSocket(url),
        peerConnection: (configuration) => new RTCPeerConnection(configuration),
        stream: () => new MediaStream(),
        devices: navigator.mediaDevices ?? null,
        audioContext: typeof AudioContext === 'undefined' ? null : () => new AudioContext(),
        watch: watchPage,
    };
}
/** A store that forgets, for pages whose storage is forbidden (private windows, sandboxed frames). */
export function memoryStore() {
    const items = new Map();
    return {
        getItem: (key) => items.get(key) ?? null,
        setItem: (key, value) => void items.set(key, value),
        removeItem: (key) => void items.delete(key),
    };
}
function storeOr(open) {
    try {
        const store = open();
        const probe = 'visavis.probe';
        store.setItem(probe, '1');
        store.removeItem(probe);
        return store;
    }
    catch {
        return memoryStore();
    }
}
function watchPage(events) {
    const stop = new AbortController();
    const options = { signal: stop.signal };
    addEventListener('online', () => events.wake(true), options);
    addEventListener('pageshow', (event) => { if (event.persisted)
        events.wake(true); }, options);
    addEventListener('pagehide', () => events.leave(), options);
    document.addEventListener('visibilitychange', () => {
        if (document.visibilityState === 'visible')
            events.wake(false);
    }, options);
    const network = navigator.connection;
    let type = network?.type;
    network?.addEventListener('change', () => {
        if (network.type !== type)
            events.wake(true);
        type = network.type;
    }, options);
    return () => stop.abort();
}
/** A random name of `bytes` bytes in base64url (RFC 4648 §5); 16 bytes make the 22 characters of a call id. */
export function randomId(environment, bytes = 16) {
    const raw = environment.random(new Uint8Array(bytes));
    return btoa(String.fromCharCode(...raw)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
/** A random number from `least` to `most`. */
export function randomBetween(environment, least, most) {
    const [a = 0, b = 0] = environment.random(new Uint8Array(2));
    return least + ((most - least) * (a * 256 + b)) / 65535;
}
