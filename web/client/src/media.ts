/**
 * Camera, microphone and screen: what the browser gives, or why it does not, as states.
 */
import type { Environment } from './environment.js'
import type { Capture, Device, Devices } from './model.js'
import type { Outgoing } from './peer.js'

export interface MediaEvents {
  capture(source: 'camera' | 'microphone', capture: Capture): void
  devices(devices: Devices): void
  /** The tracks to send are others now. */
  tracks(): void
}

type Kind = 'camera' | 'microphone'

/** One of the two: what it is, and the track if it is on. */
interface Source {
  capture: Capture
  track: MediaStreamTrack | null
  /** Counts the attempts, so that one that was overtaken does nothing. */
  attempt: number
}

/** After so many milliseconds in which nobody asks for the loudness it is not measured any more. A hidden page asks once a second. */
const METER_RESTS_AFTER = 3000

const CONSTRAINTS = {
  camera: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } },
  microphone: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
} as const

export class Media {
  /** Our picture and sound; the same object for as long as the page lives. */
  readonly stream: MediaStream
  private readonly sources: Record<Kind, Source> = { camera: off(), microphone: off() }
  private screen: { readonly stream: MediaStream; readonly track: MediaStreamTrack } | null = null
  private muted = false
  private speaker = ''
  private meter: Meter | null = null
  private restMeter: () => void = () => {}
  private readonly refresh = () => void this.list()

  constructor(private readonly environment: Pick<Environment, 'audioContext' | 'clock' | 'devices' | 'stream'>, private readonly events: MediaEvents) {
    this.stream = environment.stream()
    this.environment.devices?.addEventListener('devicechange', this.refresh)
    void this.list()
  }

  get outgoing(): Outgoing {
    return { microphone: this.sources.microphone.track, camera: this.sources.camera.track, screen: this.screen?.track ?? null }
  }

  get screenStream(): MediaStream | null { return this.screen?.stream ?? null }

  isOn(kind: Kind): boolean { return this.sources[kind].track !== null }

  /** Opens a device, or another one instead of the one that is open. */
  async open(kind: Kind, deviceId?: string): Promise<void> {
    const source = this.sources[kind]
    const attempt = ++source.attempt
    const { devices } = this.environment
    if (devices === null) return this.show(kind, { kind: 'insecure' })
    if (source.track === null) this.show(kind, { kind: 'asking' })
    const result = await this.ask(devices, kind, deviceId)
    if (attempt !== source.attempt) {
      if (!isCapture(result)) stopTrack(result)
      return
    }
    if (isCapture(result)) {
      // Another device was wanted and is not to be had: the one that is on stays on.
      if (source.track === null || source.track.readyState === 'ended') this.drop(kind, result)
      return
    }
    this.use(kind, result)
    void this.list()
  }

  close(kind: Kind): void {
    this.sources[kind].attempt++
    this.drop(kind, { kind: 'off' })
  }

  setMuted(muted: boolean): void {
    this.muted = muted
    const { track, capture } = this.sources.microphone
    if (track === null || capture.kind !== 'on') return
    track.enabled = !muted
    this.show('microphone', { ...capture, muted })
    this.events.tracks()
  }

  /** Nothing is sent any more before the person turns it on again. */
  silence(): void {
    this.setMuted(true)
    this.close('camera')
    this.closeScreen()
  }

  async setSpeaker(deviceId: string): Promise<void> {
    this.speaker = deviceId
    await this.list()
  }

  /** Asks for a screen, window or tab; false if the person thought better of it. */
  async openScreen(): Promise<boolean> {
    const { devices } = this.environment
    if (devices === null || !('getDisplayMedia' in devices)) return false
    try {
      const stream = await devices.getDisplayMedia({ video: { frameRate: { ideal: 15, max: 30 } }, audio: false })
      const [track] = stream.getVideoTracks()
      if (track === undefined) return false
      const before = this.screen?.track
      // Text and lines stay sharp; motion gives way (W3C mst-content-hint).
      track.contentHint = 'detail'
      track.onended = () => { if (this.screen?.track === track) this.closeScreen() }
      this.screen = { stream, track }
      this.events.tracks()
      if (before) stopTrack(before)
      return true
    } catch {
      return false
    }
  }

  closeScreen(): void {
    if (this.screen === null) return
    const { track } = this.screen
    this.screen = null
    this.events.tracks()
    stopTrack(track)
  }

  /** The loudness of our microphone now, 0 to 1. */
  level(): number {
    const { track } = this.sources.microphone
    const { audioContext } = this.environment
    if (track === null || audioContext === null || this.muted) return 0
    if (this.meter?.track !== track) {
      this.closeMeter()
      this.meter = new Meter(audioContext(), track)
    }
    // Whoever looks looks often; in a call nobody does, and it would cost as much as a voice.
    this.restMeter()
    this.restMeter = this.environment.clock.after(METER_RESTS_AFTER, () => this.closeMeter())
    return this.meter.level()
  }

  /** Gives every device back. */
  end(): void {
    this.environment.devices?.removeEventListener('devicechange', this.refresh)
    this.closeScreen()
    this.close('camera')
    this.close('microphone')
  }

  private async ask(devices: MediaDevices, kind: Kind, deviceId?: string): Promise<MediaStreamTrack | Capture> {
    const wanted = deviceId ? { ...CONSTRAINTS[kind], deviceId: { exact: deviceId } } : CONSTRAINTS[kind]
    try {
      const stream = await devices.getUserMedia(kind === 'camera' ? { video: wanted } : { audio: wanted })
      return stream.getTracks()[0] ?? { kind: 'no-device' }
    } catch (error) {
      const name = error instanceof Error ? error.name : ''
      // The device that was chosen earlier is gone: any other will do.
      if (name === 'OverconstrainedError' && deviceId) return this.ask(devices, kind)
      const { track } = this.sources[kind]
      if (name === 'NotReadableError' && track !== null && deviceId) {
        // Some systems open a second camera only when the first is closed.
        stopTrack(track)
        this.sources[kind].track = null
        return this.ask(devices, kind, deviceId)
      }
      return refusal(name, error instanceof Error ? error.message : '')
    }
  }

  private use(kind: Kind, track: MediaStreamTrack): void {
    const source = this.sources[kind]
    const before = this.remove(source)
    if (kind === 'microphone') track.enabled = !this.muted
    else track.contentHint = 'motion'
    track.onended = () => { if (source.track === track) void this.ended(kind, track) }
    source.track = track
    this.stream.addTrack(track)
    const deviceId = track.getSettings().deviceId ?? ''
    this.show(kind, { kind: 'on', deviceId, label: track.label, muted: kind === 'microphone' && this.muted })
    this.events.tracks()
    if (before) stopTrack(before)
  }

  /** The browser ended a track: the device was pulled out, or the permission taken back. */
  private async ended(kind: Kind, track: MediaStreamTrack): Promise<void> {
    const { deviceId } = track.getSettings()
    const present = await this.list()
    if (this.sources[kind].track !== track) return
    const list = kind === 'camera' ? present.cameras : present.microphones
    this.drop(kind, list.some(({ id }) => id === deviceId) ? { kind: 'in-use', detail: track.label } : { kind: 'no-device' })
  }

  private drop(kind: Kind, why: Capture): void {
    const before = this.remove(this.sources[kind])
    this.show(kind, why)
    if (before === null) return
    this.events.tracks()
    stopTrack(before)
  }

  /**
   * Takes the track out. It is stopped only when nothing sends it any more: Firefox goes on with one black frame a
   * second for a track that ends while it is being sent.
   */
  private remove(source: Source): MediaStreamTrack | null {
    const { track } = source
    if (track === null) return null
    this.stream.removeTrack(track)
    source.track = null
    if (this.meter?.track === track) this.closeMeter()
    return track
  }

  private closeMeter(): void {
    this.restMeter()
    this.meter?.close()
    this.meter = null
  }

  private show(kind: Kind, capture: Capture): void {
    this.sources[kind].capture = capture
    this.events.capture(kind, capture)
  }

  private async list(): Promise<Devices> {
    const all = await this.environment.devices?.enumerateDevices().catch(() => []) ?? []
    // Before the permission browsers list devices without an id: they cannot be chosen.
    const of = (kind: MediaDeviceKind): Device[] =>
      all.filter((device) => device.kind === kind && device.deviceId !== '').map(({ deviceId, label }) => ({ id: deviceId, label }))
    const devices = { cameras: of('videoinput'), microphones: of('audioinput'), speakers: of('audiooutput'), speaker: this.speaker }
    this.events.devices(devices)
    return devices
  }
}

/** Why there is no device (W3C mediacapture-main §10.1.1 names the errors). */
export function refusal(name: string, detail: string): Capture {
  switch (name) {
    case 'NotAllowedError': return { kind: 'denied' }
    case 'NotFoundError':
    case 'OverconstrainedError': return { kind: 'no-device' }
    case 'SecurityError': return { kind: 'insecure' }
    default: return { kind: 'in-use', detail }
  }
}

function off(): Source {
  return { capture: { kind: 'off' }, track: null, attempt: 0 }
}

function isCapture(result: MediaStreamTrack | Capture): result is Capture {
  return !('getSettings' in result)
}

function stopTrack(track: MediaStreamTrack): void {
  track.onended = null
  track.stop()
}

/** The loudness of a track: root mean square, on a scale that speech fills. */
class Meter {
  private readonly analyser: AnalyserNode
  private readonly samples: Float32Array<ArrayBuffer>

  constructor(private readonly context: AudioContext, readonly track: MediaStreamTrack) {
    this.analyser = context.createAnalyser()
    this.analyser.fftSize = 1024
    this.samples = new Float32Array(this.analyser.fftSize)
    context.createMediaStreamSource(new MediaStream([track])).connect(this.analyser)
  }

  level(): number {
    // A context made before the first click starts suspended.
    if (this.context.state === 'suspended') void this.context.resume().catch(() => {})
    this.analyser.getFloatTimeDomainData(this.samples)
    return loudness(this.samples)
  }

  close(): void {
    void this.context.close().catch(() => {})
  }
}

/** -60 dB relative to full scale and below is 0, -10 dB and above is 1. */
export function loudness(samples: Float32Array): number {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, samples.length)
  return power === 0 ? 0 : Math.min(1, Math.max(0, (10 * Math.log10(power) + 60) / 50))
}
