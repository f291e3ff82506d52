/**
 * The worker in which frames are encrypted: what the browser and the page hand in, led through `Frames`. A program
 * builds it as a script of its own and gives `createClient` a way to start it.
 */
import { Frames, type EncodedFrame, type Leading, type Order } from './frames.js'

/** RTCRtpScriptTransformer (W3C WebRTC Encoded Transform §4); it is not among the types of a page. */
interface Transformer {
  readonly readable: ReadableStream<EncodedFrame>
  readonly writable: WritableStream<EncodedFrame>
  readonly options: Leading
  sendKeyFrameRequest?(): Promise<void>
}

/** From a browser that has no script transforms: the streams of a sender or receiver, by way of the page. */
interface Piping { readonly type: 'pipe'; readonly readable: ReadableStream<EncodedFrame>; readonly writable: WritableStream<EncodedFrame>; readonly leading: Leading }

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<Order | Piping>) => void) | null
  onrtctransform: ((event: { readonly transformer: Transformer }) => void) | null
  postMessage(message: unknown): void
}

const frames = new Frames({
  now: () => Date.now(),
  after: (ms, then) => {
    const timer = setTimeout(then, ms)
    return () => clearTimeout(timer)
  },
}, (report) => scope.postMessage(report))

function pipe(readable: ReadableStream<EncodedFrame>, writable: WritableStream<EncodedFrame>, leading: Leading, refresh: () => void): void {
  const lead = leading.side === 'send' ? frames.sender(leading) : frames.receiver(leading, refresh)
  const transform = new TransformStream<EncodedFrame, EncodedFrame>({
    transform: async (frame, controller) => { if (await lead(frame)) controller.enqueue(frame) },
  })
  // It ends with the sender or receiver, and then there is nobody to tell.
  readable.pipeThrough(transform).pipeTo(writable).catch(() => {})
}

scope.onrtctransform = ({ transformer }) => pipe(transformer.readable, transformer.writable, transformer.options, () => void transformer.sendKeyFrameRequest?.().catch(() => {}))
scope.onmessage = ({ data }) => {
  if (data.type === 'pipe') pipe(data.readable, data.writable, data.leading, () => {})
  else frames.take(data)
}
