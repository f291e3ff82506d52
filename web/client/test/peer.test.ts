/** Negotiation between two peers: who gives way, what waits for what, and when a path is found anew. */
import { expect, test, vi } from 'vitest'
import type { Candidate, Description } from '../src/protocol.js'
import type { PathState } from '../src/path.js'
import { Peer } from '../src/peer.js'
import { FakeNetwork, FakePeerConnection, fakeStream } from './fakes.js'
import { VirtualClock } from './world.js'

type Message = { description: Description } | { candidate: Candidate | null }

class Side {
  readonly peer: Peer
  readonly paths: PathState[] = []
  readonly pcs: FakePeerConnection[] = []
  queue: Message[] = []
  dead = 0
  laidOut = 0

  constructor(polite: boolean, network: FakeNetwork) {
    const create = (configuration: RTCConfiguration) => {
      const pc = new FakePeerConnection(network, configuration)
      this.pcs.push(pc)
      return pc.like
    }
    this.peer = new Peer(polite, {}, create, network.clock, fakeStream(), {
      description: (description) => this.queue.push({ description }),
      candidate: (candidate) => this.queue.push({ candidate }),
      path: (path) => this.paths.push(path),
      media: () => this.laidOut++,
      channels: () => {},
      described: () => {},
      dead: () => this.dead++,
    })
  }

  take(message: Message): void {
    if ('description' in message) this.peer.describe(message.description)
    else if (message.candidate) this.peer.candidates([message.candidate])
  }
}

class Two {
  readonly clock = new VirtualClock()
  readonly network = new FakeNetwork(this.clock)
  readonly polite = new Side(true, this.network)
  readonly impolite = new Side(false, this.network)

  /** Lets time pass without letting anything cross. */
  async wait(ms: number): Promise<void> {
    const end = this.clock.now() + ms
    this.clock.after(ms, () => {})
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    while (this.clock.step(end)) for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  /** Carries messages across until there are none. */
  async cross(ms = 100): Promise<void> {
    for (let round = 0; round < 20; round++) {
      await this.wait(ms / 20)
      const [a, b] = [this.polite.queue.splice(0), this.impolite.queue.splice(0)]
      for (const message of a) this.impolite.take(message)
      for (const message of b) this.polite.take(message)
    }
  }

  get connected(): boolean { return [this.polite, this.impolite].every(({ peer }) => peer.path === 'connected') }
}

const sections = (side: Side) => side.pcs.at(-1)?.getTransceivers().map(({ kind, direction }) => `${kind} ${direction}`)
const four = ['audio sendrecv', 'video sendrecv', 'video sendrecv']

test('one offers, the other answers, and both have the same sections', async () => {
  const two = new Two()
  two.impolite.peer.open()
  await two.cross()
  expect([two.connected, sections(two.polite), sections(two.impolite)]).toEqual([true, four, four])
  expect([two.polite.laidOut, two.impolite.laidOut]).toEqual([1, 1])
  expect(two.polite.peer.incoming().length).toBe(3)
})

test('both offer first: the polite side takes a fresh peer connection, and no section is doubled', async () => {
  const two = new Two()
  two.impolite.peer.open()
  two.polite.peer.open()
  await two.cross()
  expect([two.connected, sections(two.polite), sections(two.impolite)]).toEqual([true, four, four])
  expect([two.polite.pcs.length, two.impolite.pcs.length]).toEqual([2, 1])
})

test('both restart at once: the polite side rolls back, and both come through', async () => {
  const two = new Two()
  two.impolite.peer.open()
  await two.cross()
  const before = [two.polite, two.impolite].map(({ pcs }) => pcs[0]?.fragment)
  two.impolite.peer.restart()
  two.polite.peer.restart()
  await two.cross()
  expect([two.connected, two.polite.pcs.length, two.impolite.pcs.length]).toEqual([true, 1, 1])
  const after = [two.polite, two.impolite].map(({ pcs }) => pcs[0]?.fragment)
  expect(after[0]).not.toBe(before[0])
  expect(after[1]).not.toBe(before[1])
  expect([two.polite, two.impolite].map(({ pcs }) => pcs[0]?.signalingState)).toEqual(['stable', 'stable'])
})

test('candidates that come before their description wait for it', async () => {
  const two = new Two()
  two.impolite.peer.open()
  await two.wait(50)
  const messages = two.impolite.queue.splice(0)
  expect(messages.length).toBe(4)
  for (const message of [...messages].reverse()) two.polite.take(message)
  await two.cross()
  expect([two.connected, two.polite.peer.dropped]).toEqual([true, 0])
})

test('the private addresses of another home are tried a moment after the public ones', async () => {
  const two = new Two()
  two.impolite.peer.open()
  await two.cross()
  const [pc] = two.impolite.pcs
  const added = vi.spyOn(pc!, 'addIceCandidate')
  const types = () => added.mock.calls.map(([{ candidate }]) => / typ (\S+)/.exec(candidate ?? '')?.[1])
  pc!.localDescription!.sdp += 'a=candidate:1 1 udp 1 203.0.113.1 9 typ srflx raddr 10.0.0.1 rport 9\r\n'
  const usernameFragment = two.polite.pcs[0]!.fragment
  const candidates = ['192.168.1.2 9 typ host', '203.0.113.2 9 typ srflx'].map((place) => ({ candidate: `candidate:1 1 udp 1 ${place}`, usernameFragment }))
  two.impolite.peer.candidates(candidates)
  await two.wait(49)
  expect(types()).toEqual(['srflx'])
  await two.wait(1)
  expect(types()).toEqual(['srflx', 'host'])
})

test.each([[720, [2, 1]], [480, [1, 1]]])('a camera of %i lines begins at a size for which there is room', async (height, scales) => {
  const two = new Two()
  const camera = { kind: 'video', getSettings: () => ({ height }) } as unknown as MediaStreamTrack
  two.impolite.peer.attach({ microphone: null, camera, screen: null })
  two.impolite.peer.open()
  await two.cross()
  const scale = () => two.impolite.pcs[0]?.getTransceivers()[1]?.sender.getParameters().encodings[0]?.scaleResolutionDownBy
  const begun = scale()
  await two.wait(1500)
  expect([two.connected, begun, scale()]).toEqual([true, ...scales])
})

test('an answer nobody waits for, a description that is junk and a candidate of no generation are dropped', async () => {
  const two = new Two()
  two.impolite.peer.open()
  await two.cross()
  two.polite.peer.describe({ type: 'answer', sdp: 'x' })
  two.polite.peer.describe({ type: 'pranswer', sdp: 'x' })
  for (let number = 0; number < 1000; number++) two.polite.peer.candidates([{ candidate: 'junk', usernameFragment: 'nobody' }])
  await two.cross()
  expect([two.connected, two.polite.peer.dropped]).toEqual([true, 2])
})

test('a path that is disconnected is found anew after 2 s, not before', async () => {
  const two = new Two()
  two.impolite.peer.open()
  await two.cross()
  two.network.break()
  await two.wait(1_999)
  expect([two.impolite.queue, two.impolite.paths]).toEqual([[], ['connected', 'reconnecting']])
  await two.wait(1)
  await two.wait(10)
  expect(two.impolite.queue.some((message) => 'description' in message)).toBe(true)
  two.network.mend()
  await two.cross()
  expect([two.connected, two.impolite.paths]).toEqual([true, ['connected', 'reconnecting', 'connected']])
})

test('three restarts in vain are enough', async () => {
  const two = new Two()
  two.impolite.peer.open()
  await two.cross()
  two.network.break()
  await two.wait(2_000 + 3 * 7_000 - 1)
  expect(two.impolite.dead).toBe(0)
  await two.wait(1)
  expect(two.impolite.dead).toBe(1)
})

test('a closed peer does nothing more', async () => {
  const two = new Two()
  two.impolite.peer.open()
  await two.cross()
  two.impolite.peer.close()
  two.impolite.peer.restart()
  two.impolite.peer.describe({ type: 'offer', sdp: '' })
  two.impolite.peer.close()
  await two.cross()
  expect([two.impolite.queue, two.impolite.dead]).toEqual([[], 0])
})
