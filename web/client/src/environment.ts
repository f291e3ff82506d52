/**
 * Everything the client takes from the world, so that a test can hand in another: time, chance, storage, sockets,
 * peer connections, devices and the events of the page.
 */

import { frameConfiguration, frameLine, type FrameLine } from './e2ee/line.js'

/** Time. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls `then` once after `ms` milliseconds; the result cancels it. */
  after(ms: number, then: () => void): () => void
}

/** The part of Storage that is used (localStorage, sessionStorage). */
export type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

/** The part of WebSocket that is used. */
export interface SocketLike {
  onopen: ((event: never) => unknown) | null
  onmessage: ((event: MessageEvent) => unknown) | null
  onclose: ((event: never) => unknown) | null
  send(data: string): void
  close(code?: number): void
}

/** The part of RTCPeerConnection that is used. */
export type PeerConnectionLike = Pick<
  RTCPeerConnection,
  | 'addIceCandidate' | 'addTransceiver' | 'close' | 'connectionState' | 'createDataChannel' | 'currentLocalDescription'
  | 'currentRemoteDescription' | 'getStats' | 'getTransceivers' | 'iceConnectionState' | 'localDescription'
  | 'onconnectionstatechange' | 'onicecandidate' | 'oniceconnectionstatechange' | 'onnegotiationneeded'
  | 'remoteDescription' | 'restartIce' | 'sctp' | 'setConfiguration' | 'setLocalDescription' | 'setRemoteDescription'
  | 'signalingState'
>

/** What happens to the page. */
export interface PageEvents {
  /** The network came back or changed, or the page is looked at again: now is the time to try. */
  wake(networkChanged: boolean): void
  /** The page goes away: closed, left or about to be loaded anew; nobody can tell which. */
  leave(): void
}

/** All of it. */
export interface Environment {
  readonly clock: Clock
  /** Fills an array with cryptographically random bytes. */
  random(bytes: Uint8Array): Uint8Array
  /** Shared by all tabs of a browser: who we are. */
  readonly identityStore: Store
  /** Of this tab alone: the session across a reload. */
  readonly tabStore: Store
  socket(url: string): SocketLike
  peerConnection(configuration: RTCConfiguration): PeerConnectionLike
  stream(): MediaStream
  /** What the browser can receive, and by that send. */
  codecs(kind: 'audio' | 'video'): readonly RTCRtpCodec[]
  /** Absent outside a secure context. */
  readonly devices: MediaDevices | null
  /** Absent where there is no Web Audio. */
  readonly audioContext: (() => AudioContext) | null
  /** Leads frames through a worker that encrypts them; absent where the browser cannot, or has no such worker. */
  readonly frameLine: (() => FrameLine) | null
  /** What else a peer connection needs to be told for that. */
  readonly frameConfiguration: RTCConfiguration
  /** Follows the page; the result stops that. */
  watch(events: PageEvents): () => void
}

/** The environment of a browser's page. `frameWorker` starts the worker that encrypts frames (`e2ee/worker.ts`). */
export function browserEnvironment(frameWorker: (() => Worker) | null = null): Environment {
  const frames = frameConfiguration()
  return {
    clock: {
      now: () => Date.now(),
      after: (ms, then) => {
        const timer = setTimeout(then, ms)
        return () => clearTimeout(timer)
      },
    },
    random: (bytes) => crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>),
    identityStore: storeOr(() => localStorage),
    tabStore: storeOr(() => sessionStorage),
    socket: (url) => new WebSocket(url) as SocketLike,
    peerConnection: (configuration) => new RTCPeerConnection(configuration),
    stream: () => new MediaStream(),
    codecs: (kind) => RTCRtpReceiver.getCapabilities?.(kind)?.codecs ?? [],
    devices: navigator.mediaDevices ?? null,
    audioContext: typeof AudioContext === 'undefined' ? null : () => new AudioContext(),
    frameLine: frames === null || frameWorker === null ? null : () => frameLine(frameWorker()),
    frameConfiguration: frames ?? {},
    watch: watchPage,
  }
}

/** A store that forgets, for pages whose storage is forbidden (private windows, sandboxed frames). */
export function memoryStore(): Store {
  const items = new Map<string, string>()
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  }
}

function storeOr(open: () => Storage): Store {
  try {
    const store = open()
    const probe = 'visavis.probe'
    store.setItem(probe, '1')
    store.removeItem(probe)
    return store
  } catch {
    return memoryStore()
  }
}

/** NetworkInformation (not in the DOM types): its `change` also fires for new estimates of speed, which we ignore. */
interface NetworkInformationLike extends EventTarget { readonly type?: string }

function watchPage(events: PageEvents): () => void {
  const stop = new AbortController()
  const options = { signal: stop.signal }
  addEventListener('online', () => events.wake(true), options)
  addEventListener('pageshow', (event) => { if (event.persisted) events.wake(true) }, options)
  addEventListener('pagehide', () => events.leave(), options)
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') events.wake(false)
  }, options)
  const network = (navigator as { connection?: NetworkInformationLike }).connection
  let type = network?.type
  network?.addEventListener('change', () => {
    if (network.type !== type) events.wake(true)
    type = network.type
  }, options)
  return () => stop.abort()
}

/** A random name of `bytes` bytes in base64url (RFC 4648 §5); 16 bytes make the 22 characters of a call id. */
export function randomId(environment: Pick<Environment, 'random'>, bytes = 16): string {
  const raw = environment.random(new Uint8Array(bytes))
  return btoa(String.fromCharCode(...raw)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** A random number from `least` to `most`. */
export function randomBetween(environment: Pick<Environment, 'random'>, least: number, most: number): number {
  const [a = 0, b = 0] = environment.random(new Uint8Array(2))
  return least + ((most - least) * (a * 256 + b)) / 65535
}

/** The WebSocket of the server that the page comes from. */
export function serverOfPage(): string {
  const { protocol, host } = location
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/ws`
}
