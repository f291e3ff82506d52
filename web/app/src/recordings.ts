/** Recordings over HTTP: `/recordings`, as `docs/recording.md` describes it. */
import type { Person } from '@visavis/client/protocol.js'

/** One person's microphone and camera, or their screen. */
export interface RecordedFile {
  readonly name: string
  readonly person: string
  readonly shows: 'camera' | 'screen'
  /** Milliseconds from the beginning of the recording. */
  readonly offset: number
  readonly duration: number
  readonly bytes: number
  /** Good for some hours. */
  readonly link: string
}

export interface RecordingEntry {
  readonly id: string
  readonly room: string
  /** ms since the epoch. */
  readonly begun: number
  readonly duration: number
  readonly state: 'recording' | 'finished' | 'interrupted' | 'failed'
  readonly problem?: string
  readonly by: Person
  readonly bytes: number
  /** The link to its timeline. */
  readonly timeline: string
  readonly files: readonly RecordedFile[]
}

type Fetch = (path: string, init: RequestInit) => Promise<Response>
const browserFetch: Fetch = (path, init) => fetch(path, init)
const proof = (identity: string): Record<string, string> => ({ authorization: `Bearer ${identity}` })

/** Ours, the latest first; null if the server does not say. */
export async function listRecordings(identity: string, request = browserFetch): Promise<readonly RecordingEntry[] | null> {
  try {
    const response = await request('/recordings', { headers: proof(identity) })
    // A server that does not record has none.
    if (response.status === 404) return []
    return response.ok ? await response.json() as readonly RecordingEntry[] : null
  } catch {
    return null
  }
}

/** Deletes one for good; whether that was done. */
export async function deleteRecording(identity: string, id: string, request = browserFetch): Promise<boolean> {
  try {
    return (await request(`/recordings/${encodeURIComponent(id)}`, { method: 'DELETE', headers: proof(identity) })).ok
  } catch {
    return false
  }
}
