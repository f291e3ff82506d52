/** Watching a room by WHEP: one peer connection that only receives, offered and answered over HTTP. */

/** How the watching stands. */
export type Watching =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'playing' }
  /** It is tried again by itself, and why it is not there now. */
  | { readonly kind: 'waiting'; readonly why: 'empty' | 'full' | 'lost' }
  /** It is not tried again. */
  | { readonly kind: 'refused'; readonly why: 'key' | 'locked' }

export interface Whep {
  /** What is played: one sound and one picture, in step. The same object for good. */
  readonly stream: MediaStream
  close(): void
}

/** Milliseconds until a room that is not there is asked for again, unless the server says otherwise. */
const AGAIN = 5000
/** Milliseconds for which a silent connection may come back by itself. */
const PATIENCE = 5000

/** What Chromium has, and TypeScript does not know yet (W3C webrtc-extensions). */
interface Extensible {
  getHeaderExtensionsToNegotiate?(): { uri: string, direction: string }[]
  setHeaderExtensionsToNegotiate?(extensions: { uri: string, direction: string }[]): void
}

/** AV1 with layers comes in all its sizes only to whoever takes its dependency descriptors, which no browser offers by itself. */
function describe(transceiver: RTCRtpTransceiver & Extensible): void {
  const extensions = transceiver.getHeaderExtensionsToNegotiate?.() ?? []
  const found = extensions.find(({ uri }) => uri.endsWith('#dependency-descriptor-rtp-header-extension'))
  if (!found) return
  found.direction = 'sendrecv'
  transceiver.setHeaderExtensionsToNegotiate?.(extensions)
}

/** Watches a room until it is closed. `key` opens it; without one it must be open for everybody. */
export function watch(address: string, key: string | null, told: (watching: Watching) => void): Whep {
  const stream = new MediaStream()
  const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` }
  let closed = false
  let peer: RTCPeerConnection | null = null
  let session: string | null = null
  let timer: ReturnType<typeof setTimeout> | undefined

  const leave = (): void => {
    for (const track of stream.getTracks()) stream.removeTrack(track)
    peer?.close()
    peer = null
    if (session !== null) void fetch(session, { method: 'DELETE', headers, keepalive: true }).catch(() => undefined)
    session = null
  }
  const again = (why: 'empty' | 'full' | 'lost', after: number): void => {
    leave()
    if (closed) return
    told({ kind: 'waiting', why })
    clearTimeout(timer)
    timer = setTimeout(() => void begin(), after)
  }
  const look = (mine: RTCPeerConnection): void => {
    if (mine !== peer) return
    clearTimeout(timer)
    switch (mine.connectionState) {
      case 'connected': return told({ kind: 'playing' })
      case 'disconnected': timer = setTimeout(() => again('lost', 0), PATIENCE); return
      case 'failed':
      case 'closed':
        return again('lost', AGAIN)
      case 'new':
      case 'connecting':
        return
    }
  }
  const begin = async (): Promise<void> => {
    told({ kind: 'connecting' })
    const mine = new RTCPeerConnection({ bundlePolicy: 'max-bundle' })
    peer = mine
    mine.addEventListener('track', ({ track }) => stream.addTrack(track))
    mine.addEventListener('connectionstatechange', () => look(mine))
    for (const kind of ['audio', 'video']) describe(mine.addTransceiver(kind, { direction: 'recvonly' }))
    try {
      await mine.setLocalDescription()
      const offer = mine.localDescription?.sdp ?? ''
      const response = await fetch(address, { method: 'POST', headers: { ...headers, 'content-type': 'application/sdp' }, body: offer })
      const where = response.headers.get('location')
      if (mine !== peer) return
      if (response.status === 201 && where !== null) {
        session = new URL(where, response.url).href
        return await mine.setRemoteDescription({ type: 'answer', sdp: await response.text() })
      }
      if (response.status === 401 || response.status === 403) {
        leave()
        return told({ kind: 'refused', why: response.status === 401 || key !== null ? 'key' : 'locked' })
      }
      const seconds = Number(response.headers.get('retry-after') ?? NaN)
      again(response.status === 409 || response.status === 404 ? 'empty' : 'full', Number.isFinite(seconds) ? seconds * 1000 : AGAIN)
    } catch {
      // The server is not there, or not for now.
      if (mine === peer) again('lost', AGAIN)
    }
  }
  void begin()
  return {
    stream,
    close: () => {
      closed = true
      clearTimeout(timer)
      leave()
    },
  }
}
