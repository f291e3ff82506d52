const CONSTRAINTS = {
    camera: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } },
    microphone: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
};
export class Media {
    environment;
    events;
    /** Our picture and sound; the same object for as long as the page lives. */
    stream;
    sources = { camera: off(), microphone: off() };
    screen = null;
    muted = false;
    speaker = '';
    meter = null;
    refresh = () => void this.list();
    constructor(environment, events) {
        this.environment = environment;
        this.events = events;
        this.stream = environment.stream();
        this.environment.devices?.addEventListener('devicechange', this.refresh);
        void this.list();
    }
    get outgoing() {
        return { microphone: this.sources.microphone.track, camera: this.sources.camera.track, screen: this.screen?.track ?? null };
    }
    get screenStream() { return this.screen?.stream ?? null; }
    isOn(kind) { return this.sources[kind].track !== null; }
    /** Opens a device, or another one instead of the one that is open. */
    async open(kind, deviceId) {
        const source = this.sources[kind];
        const attempt = ++source.attempt;
        const { devices } = this.environment;
        if (devices === null)
            return this.show(kind, { kind: 'insecure' });
        if (source.track === null)
            this.show(kind, { kind: 'asking' });
        const result = await this.ask(devices, kind, deviceId);
        if (attempt !== source.attempt) {
            if (!isCapture(result))
                stopTrack(result);
            return;
        }
        if (isCapture(result)) {
            // Another device was wanted and is not to be had: the one that is on stays on.
            if (source.track === null || source.track.readyState === 'ended')
                this.drop(kind, result);
            return;
        }
        this.use(kind, result);
        void this.list();
    }
    close(kind) {
        this.sources[kind].attempt++;
        this.drop(kind, { kind: 'off' });
    }
    setMuted(muted) {
        this.muted = muted;
        const { track, capture } = this.sources.microphone;
        if (track === null || capture.kind !== 'on')
            return;
        track.enabled = !muted;
        this.show('microphone', { ...capture, muted });
        this.events.tracks();
    }
    async setSpeaker(deviceId) {
        this.speaker = deviceId;
        await this.list();
    }
    /** Asks for a screen, window or tab; false if the person thought better of it. */
    async openScreen() {
        const { devices } = this.environment;
        if (devices === null || !('getDisplayMedia' in devices))
            return false;
        try {
            const stream = await devices.getDisplayMedia({ video: { frameRate: { ideal: 15, max: 30 } }, audio: false });
            const [track] = stream.getVideoTracks();
            if (track === undefined)
                return false;
            this.closeScreen();
            // Text and lines stay sharp; motion gives way (W3C mst-content-hint).
            track.contentHint = 'detail';
            track.onended = () => { if (this.screen?.track === track)
                this.closeScreen(); };
            this.screen = { stream, track };
            this.events.tracks();
            return true;
        }
        catch {
            return false;
        }
    }
    closeScreen() {
        if (this.screen === null)
            return;
        stopTrack(this.screen.track);
        this.screen = null;
        this.events.tracks();
    }
    /** The loudness of our microphone now, 0 to 1. */
    level() {
        const { track } = this.sources.microphone;
        const { audioContext } = this.environment;
        if (track === null || audioContext === null || this.muted)
            return 0;
        if (this.meter?.track !== track) {
            this.meter?.close();
            this.meter = new Meter(audioContext(), track);
        }
        return this.meter.level();
    }
    /** Gives every device back. */
    end() {
        this.environment.devices?.removeEventListener('devicechange', this.refresh);
        this.closeScreen();
        this.close('camera');
        this.close('microphone');
    }
    async ask(devices, kind, deviceId) {
        const wanted = deviceId ? { ...CONSTRAINTS[kind], deviceId: { exact: deviceId } } : CONSTRAINTS[kind];
        try {
            const stream = await devices.getUserMedia(kind === 'camera' ? { video: wanted } : { audio: wanted });
            return stream.getTracks()[0] ?? { kind: 'no-device' };
        }
        catch (error) {
            const name = error instanceof Error ? error.name : '';
            // The device that was chosen earlier is gone: any other will do.
            if (name === 'OverconstrainedError' && deviceId)
                return this.ask(devices, kind);
            const { track } = this.sources[kind];
            if (name === 'NotReadableError' && track !== null && deviceId) {
                // Some systems open a second camera only when the first is closed.
                stopTrack(track);
                this.sources[kind].track = null;
                return this.ask(devices, kind, deviceId);
            }
            return refusal(name, error instanceof Error ? error.message : '');
        }
    }
    use(kind, track) {
        const source = this.sources[kind];
        this.remove(source);
        if (kind === 'microphone')
            track.enabled = !this.muted;
        else
            track.contentHint = 'motion';
        track.onended = () => { if (source.track === track)
            void this.ended(kind, track); };
        source.track = track;
        this.stream.addTrack(track);
        const deviceId = track.getSettings().deviceId ?? '';
        this.show(kind, { kind: 'on', deviceId, label: track.label, muted: kind === 'microphone' && this.muted });
        this.events.tracks();
    }
    /** The browser ended a track: the device was pulled out, or the permission taken back. */
    async ended(kind, track) {
        const { deviceId } = track.getSettings();
        const present = await this.list();
        if (this.sources[kind].track !== track)
            return;
        const list = kind === 'camera' ? present.cameras : present.microphones;
        this.drop(kind, list.some(({ id }) => id === deviceId) ? { kind: 'in-use', detail: track.label } : { kind: 'no-device' });
    }
    drop(kind, why) {
        const had = this.remove(this.sources[kind]);
        this.show(kind, why);
        if (had)
            this.events.tracks();
    }
    remove(source) {
        if (source.track === null)
            return false;
        this.stream.removeTrack(source.track);
        stopTrack(source.track);
        source.track = null;
        return true;
    }
    show(kind, capture) {
        this.sources[kind].capture = capture;
        this.events.capture(kind, capture);
    }
    async list() {
        const all = await this.environment.devices?.enumerateDevices().catch(() => []) ?? [];
        // Before the permission browsers list devices without an id: they cannot be chosen.
        const of = (kind) => all.filter((device) => device.kind === kind && device.deviceId !== '').map(({ deviceId, label }) => ({ id: deviceId, label }));
        const devices = { cameras: of('videoinput'), microphones: of('audioinput'), speakers: of('audiooutput'), speaker: this.speaker };
        this.events.devices(devices);
        return devices;
    }
}
/** Why there is no device (W3C mediacapture-main §10.1.1 names the errors). */
export function refusal(name, detail) {
    switch (name) {
        case 'NotAllowedError': return { kind: 'denied' };
        case 'NotFoundError':
        case 'OverconstrainedError': return { kind: 'no-device' };
        case 'SecurityError': return { kind: 'insecure' };
        default: return { kind: 'in-use', detail };
    }
}
function off() {
    return { capture: { kind: 'off' }, track: null, attempt: 0 };
}
function isCapture(result) {
    return !('getSettings' in result);
}
function stopTrack(track) {
    track.onended = null;
    track.stop();
}
/** The loudness of a track: root mean square, on a scale that speech fills. */
class Meter {
    context;
    track;
    analyser;
    samples;
    constructor(context, track) {
        this.context = context;
        this.track = track;
        this.analyser = context.createAnalyser();
        this.analyser.fftSize = 1024;
        this.samples = new Float32Array(this.analyser.fftSize);
        context.createMediaStreamSource(new MediaStream([track])).connect(this.analyser);
    }
    level() {
        // A context made before the first click starts suspended.
        if (this.context.state === 'suspended')
            void this.context.resume().catch(() => { });
        this.analyser.getFloatTimeDomainData(this.samples);
        return loudness(this.samples);
    }
    close() {
        void this.context.close().catch(() => { });
    }
}
/** -60 dB relative to full scale and below is 0, -10 dB and above is 1. */
export function loudness(samples) {
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, samples.length);
    return power === 0 ? 0 : Math.min(1, Math.max(0, (10 * Math.log10(power) + 60) / 50));
}
