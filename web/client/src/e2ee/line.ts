/** The way of frames through a worker. */
import type { Leading, Order, Report } from './frames.js'

/** One worker, for as long as we are in a room. */
export interface FrameLine {
  /** Leads what a sender sends, or a receiver receives, through the worker; before the first frame. */
  lead(end: RTCRtpSender | RTCRtpReceiver, leading: Leading): void
  order(order: Order): void
  onreport: ((report: Report) => void) | null
  close(): void
}

/** A sender or receiver of a browser that has streams of its own instead of script transforms. */
interface WithStreams { createEncodedStreams(): { readonly readable: ReadableStream; readonly writable: WritableStream } }

/** What this browser needs in a peer connection's configuration; null if it cannot lead frames through a worker. */
export function frameConfiguration(): RTCConfiguration | null {
  if ('RTCRtpScriptTransform' in globalThis) return {}
  const streams = 'RTCRtpSender' in globalThis && 'createEncodedStreams' in RTCRtpSender.prototype
  return streams ? ({ encodedInsertableStreams: true } as RTCConfiguration) : null
}

/** A line through that worker. */
export function frameLine(worker: Worker): FrameLine {
  const line: FrameLine = {
    lead: (end, leading) => {
      if ('RTCRtpScriptTransform' in globalThis) {
        end.transform = new RTCRtpScriptTransform(worker, leading)
        return
      }
      const { readable, writable } = (end as unknown as WithStreams).createEncodedStreams()
      worker.postMessage({ type: 'pipe', readable, writable, leading }, [readable, writable])
    },
    order: (order) => worker.postMessage(order),
    onreport: null,
    close: () => worker.terminate(),
  }
  worker.onmessage = ({ data }: MessageEvent<Report>) => line.onreport?.(data)
  return line
}
