/** Files between two ends whose channels break at every boundary; and what a sender that lies can do: nothing. */
import { describe, expect, test } from 'vitest'
import { CHUNK, HEADER, readFrame, writeFrame } from '../src/bulk.js'
import { BLOCK, leafHash, rootHash } from '../src/filehash.js'
import { Files, type BulkChannel, type FileMessage } from '../src/files.js'
import type { FileTransfer } from '../src/model.js'
import type { Control } from '../src/control.js'
import { safeName, type FileSink } from '../src/sink.js'
import { VirtualClock } from './world.js'

class MemorySink implements FileSink {
  parts: Uint8Array[] = []
  state: 'open' | 'closed' | 'aborted' = 'open'
  fails = false
  async write(block: Uint8Array): Promise<void> {
    if (this.fails) throw new Error('the disk is full')
    this.parts.push(block)
  }
  async close(): Promise<string> {
    this.state = 'closed'
    return 'blob:test'
  }
  abort(): void { this.state = 'aborted' }
  /** Whether it holds exactly these bytes. */
  holds(bytes: Uint8Array): boolean { return Buffer.concat(this.parts).equals(bytes) }
}

/** One end: what it shows, and the messages and frames it sends. */
class End {
  shown: readonly FileTransfer[] = []
  sinks: MemorySink[] = []
  sent: Control[] = []
  other: End | null = null
  /** Frames that still get through; then the path is broken. */
  frames = Infinity
  diskFails = false
  readonly files: Files
  private number = 0

  constructor(clock: VirtualClock, first: number) {
    this.number = first
    this.files = new Files({
      clock,
      newNumber: () => this.number++,
      openSink: async () => {
        const sink = new MemorySink()
        sink.fails = this.diskFails
        this.sinks.push(sink)
        return sink
      },
      send: (message) => {
        this.sent.push(message)
        if (this.joined && message.type !== this.loses) queueMicrotask(() => this.other?.files.control(message as FileMessage))
      },
      changed: (files) => { this.shown = files },
    })
  }

  joined = false
  /** The kind of message that gets lost. */
  loses: Control['type'] | null = null

  open(): void {
    this.joined = true
    this.files.resume(this.channel())
  }

  shut(): void {
    this.joined = false
    this.files.pause()
  }

  private channel(): BulkChannel {
    return {
      bufferedAmount: 0, bufferedAmountLowThreshold: 0, onbufferedamountlow: null, readyState: 'open',
      send: (data: ArrayBuffer) => {
        if (this.frames-- > 0) this.other?.files.bytes(data)
      },
    }
  }
}

function pair(): { a: End; b: End; join(): void; part(): void } {
  const clock = new VirtualClock()
  const a = new End(clock, 100)
  const b = new End(clock, 200)
  a.other = b
  b.other = a
  return {
    a, b,
    join: () => { a.joined = b.joined = true; a.open(); b.open() },
    part: () => { a.shut(); b.shut() },
  }
}

const content = (size: number) => new Uint8Array(size).map((_, index) => (index * 7 + (index >> 8)) & 255)
const file = (size: number, name = 'a.bin') => new File([content(size)], name)
const settle = async (condition: () => boolean, what: () => unknown = () => '') => {
  // Hashing and reading happen on other threads, which may have to wait for a processor.
  for (const deadline = Date.now() + 10_000; Date.now() < deadline && !condition();) await new Promise((resolve) => setImmediate(resolve))
  expect(condition(), JSON.stringify(what())).toBe(true)
}
const states = (end: End) => end.shown.map(({ state }) => state)

describe('a file', () => {
  test.each([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 12345])('of %i bytes arrives', async (size) => {
    const { a, b, join } = pair()
    join()
    a.files.offer([file(size)])
    await settle(() => b.shown.length === 1)
    await b.files.take('in-100')
    await settle(() => states(a)[0] === 'done' && states(b)[0] === 'done')
    expect(b.sinks[0]?.state).toBe('closed')
    expect(b.sinks[0]?.holds(content(size))).toBe(true)
  })

  const frames = Math.ceil((BLOCK + 2 * CHUNK + 1) / CHUNK) + 1
  test.each(Array.from({ length: frames + 1 }, (_, index) => index))('goes on after a break behind frame %i', async (cut) => {
    const { a, b, join, part } = pair()
    join()
    a.frames = cut
    a.files.offer([file(BLOCK + 2 * CHUNK + 1)])
    await settle(() => b.shown.length === 1)
    await b.files.take('in-100')
    await settle(() => a.frames < 0 || (cut === frames && states(a)[0] === 'done'))
    part()
    expect(states(a)[0] === 'paused' || cut === frames).toBe(true)
    a.frames = Infinity
    join()
    await settle(() => states(a)[0] === 'done' && states(b)[0] === 'done', () => [a.shown, b.shown, a.sent, b.sent])
    expect(b.sinks[0]?.holds(content(BLOCK + 2 * CHUNK + 1))).toBe(true)
    expect(b.files.dropped).toBe(0)
  })

  test('that was done when the path broke is known to be done', async () => {
    const { a, b, join, part } = pair()
    join()
    a.files.offer([file(10)])
    b.loses = 'file-done'
    await settle(() => b.shown.length === 1)
    await b.files.take('in-100')
    await settle(() => states(b)[0] === 'done')
    expect(states(a)).toEqual(['running'])
    b.loses = null
    part()
    join()
    await settle(() => states(a)[0] === 'done' && states(b)[0] === 'done')
  })

  test('and two others share the way', async () => {
    const { a, b, join } = pair()
    join()
    a.files.offer([file(BLOCK, 'x'), file(BLOCK, 'y'), file(BLOCK, 'z')])
    await settle(() => b.shown.length === 3)
    const order: number[] = []
    const bytes = b.files.bytes.bind(b.files)
    b.files.bytes = (data) => {
      order.push(readFrame(data)?.file ?? 0)
      bytes(data)
    }
    for (const { id } of b.shown) void b.files.take(id)
    await settle(() => states(b).every((state) => state === 'done'))
    // Once all three run, no file gets two frames before the others get one.
    const middle = order.slice(12, 60)
    middle.forEach((number, index) => { if (index > 0) expect(number).not.toBe(middle[index - 1]) })
  })
})

describe('no', () => {
  test('refused, cancelled by either, and failed by the disk', async () => {
    const { a, b, join } = pair()
    join()
    a.files.offer([file(10, 'refused'), file(10, 'taken back')])
    await settle(() => b.shown.length === 2)
    b.files.refuse('in-100')
    a.files.cancel('out-101')
    await settle(() => states(a).join() === 'refused,cancelled' && states(b).join() === 'refused,cancelled')
    b.diskFails = true
    a.files.offer([file(BLOCK + 1, 'no room')])
    await settle(() => b.shown.length === 3)
    await b.files.take('in-102')
    await settle(() => states(a)[2] === 'failed' && states(b)[2] === 'failed')
    expect(b.sinks[0]?.state).toBe('aborted')
  })

  test('the sender loaded its page anew', async () => {
    const { a, b, join } = pair()
    join()
    a.files.offer([file(10)])
    await settle(() => b.shown.length === 1)
    b.files.otherPage()
    expect(states(b)).toEqual(['failed'])
  })
})

describe('a sender that lies', () => {
  async function offered(size: number): Promise<End> {
    const end = new End(new VirtualClock(), 1)
    end.open()
    end.files.control({ type: 'file-offer', file: 9, name: 'x', size, mime: '' })
    await end.files.take('in-9')
    return end
  }
  const frame = (offset: number, bytes: Uint8Array<ArrayBuffer>, end = false) => writeFrame({ file: 9, offset, bytes, end })

  test('sends more than it offered', async () => {
    const end = await offered(4)
    end.files.bytes(frame(0, content(5)))
    expect(states(end)).toEqual(['failed'])
    await settle(() => end.sinks[0]?.state === 'aborted')
  })

  test('ends before everything came', async () => {
    const end = await offered(4)
    end.files.bytes(frame(0, content(3)))
    end.files.bytes(frame(3, new Uint8Array(32), true))
    expect(states(end)).toEqual(['failed'])
  })

  test('sends other bytes than it hashed', async () => {
    const end = await offered(4)
    end.files.bytes(frame(0, content(4)))
    end.files.bytes(frame(4, new Uint8Array(32), true))
    await settle(() => states(end)[0] === 'failed')
    await settle(() => end.sinks[0]?.state === 'aborted')
  })

  test('sends what nobody asked for', async () => {
    const end = await offered(40)
    const junk: unknown[] = [null, 'text', new ArrayBuffer(0), new ArrayBuffer(HEADER - 1), frame(1, content(1)), frame(0, new Uint8Array(0)), writeFrame({ file: 8, offset: 0, bytes: content(1), end: false })]
    for (const data of junk) end.files.bytes(data)
    end.files.control({ type: 'file-done', file: 9 })
    end.files.control({ type: 'file-take', file: 7, at: 0 })
    expect([end.files.dropped, states(end)]).toEqual([junk.length + 2, ['running']])
  })

  test('offers without end', () => {
    const end = new End(new VirtualClock(), 1)
    for (let number = 0; number < 200; number++) end.files.control({ type: 'file-offer', file: number, name: 'x', size: 1, mime: '' })
    expect(end.shown.length).toBe(32)
    expect(end.sent.filter(({ type }) => type === 'file-stop').length).toBe(168)
  })
})

test('the hash of a file, for other implementations', async () => {
  const sha = (await import('node:crypto')).createHash
  const bytes = content(BLOCK + 5)
  const leaves = [bytes.slice(0, BLOCK), bytes.slice(BLOCK)]
  const expected = sha('sha256').update('visavis file 1\0').update(Buffer.from('0000000000100005', 'hex'))
    .update(sha('sha256').update(leaves[0] ?? '').digest()).update(sha('sha256').update(leaves[1] ?? '').digest()).digest('hex')
  expect(await rootHash(bytes.length, await Promise.all(leaves.map(leafHash)))).toBe(expected)
  expect(await rootHash(0, [])).toBe('07e20d0ea21efc7e3a6e053d9404945cdbb389e773d79edf6ddb9460b8468190')
})

test.each([
  ['plain.txt', 'plain.txt'],
  ['../../etc/passwd', 'passwd'],
  ['C:\\Users\\me\\secret.doc', 'secret.doc'],
  ['.hidden', 'hidden'],
  ['..', 'file'],
  ['', 'file'],
  ['con', '_con'],
  ['LPT1.txt', '_LPT1.txt'],
  ['photo\u202egpj.exe', 'photogpj.exe'],
  ['a\u0000b\nc', 'abc'],
  ['wh?t*<is>.txt', 'wh_t__is_.txt'],
  ['trailing. ', 'trailing'],
  [`${'ü'.repeat(300)}.tar`, `${'ü'.repeat(196)}.tar`],
])('%j is saved as %j', (name, safe) => {
  expect(safeName(name)).toBe(safe)
})
