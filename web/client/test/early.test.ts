/** What is done while it rings, so that little is left when the call is accepted, and what nobody hears before. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withoutAddresses } from '../src/sdp.js'
import { fakeDevices } from './fakes.js'
import { World, type Page } from './world.js'

const sends = { audio: true, video: true }
const isConnected = ({ model: { call } }: Page) => call.kind === 'running' && call.path === 'connected'
const rings = ({ model: { call } }: Page) => call.kind === 'incoming'

/** Alice calls Bob, at so many of his pages; it has rung for some milliseconds. */
async function ringing(pages: number, ms: number, relays = true): Promise<{ world: World; alice: Page; bobs: Page[] }> {
  const world = new World()
  world.devices = fakeDevices()
  world.network.relays = relays
  const alice = await world.person('Alice')
  const bobs: Page[] = []
  for (let page = 0; page < pages; page++) bobs.push(await world.person('Bob'))
  for (const page of [alice, ...bobs]) await page.client.commands.openCamera()
  alice.client.commands.call('Bob')
  await world.until(() => bobs.every(rings))
  await world.pass(ms)
  return { world, alice, bobs }
}

async function accept(world: World, alice: Page, bob: Page): Promise<void> {
  await world.until(() => bob.model.server.kind === 'online')
  void bob.client.commands.accept(sends)
  await world.until(() => isConnected(alice) && isConnected(bob), () => [alice.model.call, bob.model.call])
}

const described = (world: World) => world.rendezvous.heard.filter(({ type }) => type === 'description').length
const kinds = (world: World) => world.rendezvous.heard.map(({ type }) => type)

test('a call that is accepted needs one message each way, and no description', async () => {
  const { world, alice, bobs: [bob] } = await ringing(1, 500)
  if (!bob) throw new Error('nobody')
  const before = world.rendezvous.heard.length
  const start = world.clock.now()
  await accept(world, alice, bob)
  expect(kinds(world).slice(before)).toEqual(['accept'])
  // One millisecond to the server, one from there, and the five that a path takes.
  expect(world.clock.now() - start).toBeLessThan(10)
  await world.until(() => running(alice).safetyCode !== null && running(alice).safetyCode === running(bob).safetyCode)
  expect(world.network.open.length).toBe(2)
})

test.each([['Alice', 'Bob'], ['Bob', 'Alice']])('%s is connected before %s is told that the call is on', async (_, late) => {
  const { world, alice, bobs: [bob] } = await ringing(1, 500)
  if (!bob) throw new Error('nobody')
  const tell = world.rendezvous.tell.bind(world.rendezvous)
  world.rendezvous.tell = (session, message) => {
    const slow = session.person.name === late && message.type === 'started'
    world.clock.after(slow ? 40 : 0, () => tell(session, message))
  }
  await accept(world, alice, bob)
  alice.client.commands.say('here')
  bob.client.commands.say('there')
  await world.until(() => [alice, bob].every((page) => running(page).messages.length === 2 && running(page).safetyCode !== null))
})

test('other paths than those over relays are looked for once, however soon it is accepted', async () => {
  for (const relays of [true, false]) {
    for (let ms = 0; ms < 20; ms += 2) {
      const { world, alice, bobs: [bob] } = await ringing(1, ms, relays)
      if (!bob) throw new Error('nobody')
      await accept(world, alice, bob)
      await world.pass(5_000)
      expect(described(world)).toBe(4)
      expect([isConnected(alice), isConnected(bob), world.network.open.length]).toEqual([true, true, 2])
      for (const pc of world.network.open) {
        expect(pc.configured.iceTransportPolicy).toBe('all')
        expect(pc.taken.some((candidate) => candidate.endsWith('typ host'))).toBe(true)
      }
    }
  }
})

test('while it rings a path stands over relays, which says nothing of anybody, and nothing is sent on it', async () => {
  const { world, alice, bobs: [bob] } = await ringing(1, 500)
  if (!bob) throw new Error('nobody')
  // The server in these tests refuses a description with an address before the call is on; these are what was taken.
  for (const pc of world.network.open) {
    expect(pc.remoteDescription?.sdp).toContain('a=ice-ufrag:')
    expect(pc.remoteDescription?.sdp).not.toContain('candidate')
    expect(pc.taken).toEqual([expect.stringMatching(/^candidate:0 1 udp 1 198\.51\.100\.1 \d+ typ relay$/)])
    expect(pc.connectionState).toBe('connected')
    expect(pc.configured.iceTransportPolicy).toBe('relay')
    expect(pc.channels.map(({ readyState, sent }) => [readyState, sent])).toEqual([['open', 0], ['open', 0]])
    expect(pc.getTransceivers().map(({ sender }) => sender.track)).toEqual([null, null, null])
  }
  expect([alice, bob].map(({ model: { call } }) => call.kind)).toEqual(['outgoing', 'incoming'])
  await accept(world, alice, bob)
  for (const pc of world.network.open) expect(pc.getTransceivers()[1]?.sender.track).not.toBeNull()
})

test('who declines leaves nothing open', async () => {
  const { world, alice, bobs: [bob] } = await ringing(1, 500)
  bob?.client.commands.decline()
  await world.until(() => alice.model.call.kind === 'ended')
  expect(world.network.open).toEqual([])
})

test('of what the other says before the call is on little is kept, and nothing shown until then', async () => {
  const { world, alice, bobs: [bob] } = await ringing(1, 500)
  if (!bob) throw new Error('nobody')
  const [channel] = world.network.openOf(bob)[0]?.channels ?? []
  for (let n = 0; n < 1_000; n++) channel?.onmessage?.({ data: JSON.stringify({ type: 'chat', id: `m${n}`, text: 'Buy!', at: 1 }) })
  await world.pass(100)
  expect(bob.model.call.kind).toBe('incoming')
  await accept(world, alice, bob)
  await world.pass(100)
  expect(running(bob).messages.length).toBeLessThan(20)
})

test('a path that breaks while it rings is found again when it is accepted', async () => {
  for (const brokenFor of [100, 20_000]) {
    const { world, alice, bobs: [bob] } = await ringing(1, 500)
    if (!bob) throw new Error('nobody')
    world.network.break()
    await world.pass(brokenFor)
    world.network.mend()
    const start = world.clock.now()
    await accept(world, alice, bob)
    expect(world.clock.now() - start).toBeLessThan(300)
    await world.pass(10_000)
    expect([isConnected(alice), isConnected(bob), world.network.open.length]).toEqual([true, true, 2])
  }
})

test('a browser that gives up while it rings says nothing until then, and begins with another peer connection', async () => {
  // Peer connections fail here after 15 s without candidates, as those of Firefox do at once.
  for (const ms of [14_980, 15_000, 15_020, 40_000]) {
    const { world, alice, bobs: [bob] } = await ringing(1, ms, false)
    if (!bob) throw new Error('nobody')
    expect(described(world)).toBe(2)
    const start = world.clock.now()
    await accept(world, alice, bob)
    expect(world.clock.now() - start).toBeLessThan(300)
    await world.pass(60_000)
    expect([isConnected(alice), isConnected(bob), world.network.open.length]).toEqual([true, true, 2])
  }
})

test.each([[0, 2], [1, 2], [2, 3], [3, 4]])('device %i of %i accepts; no other has a peer connection left', async (which, pages) => {
  const { world, alice, bobs } = await ringing(pages, 500)
  const bob = bobs[which]
  if (!bob) throw new Error('nobody')
  // The server lets three devices say something early.
  expect(world.network.openOf(alice).length).toBe(Math.min(pages, 3))
  await accept(world, alice, bob)
  await world.until(() => bobs.every((it) => it === bob || it.model.call.kind === 'ended'))
  expect(world.network.open.length).toBe(2)
  alice.client.commands.say('here')
  await world.until(() => running(bob).messages.at(-1)?.text === 'here')
})

test.each(['Alice', 'Bob', 'both'])('a page loaded anew while it rings (%s) connects when it is accepted, however late', async (who) => {
  for (const ringsFor of [1, 5, 12, 500]) {
    for (const waits of [0, 4, 500]) {
      const { world, alice, bobs: [bob] } = await ringing(1, ringsFor)
      if (!bob) throw new Error('nobody')
      if (who !== 'Bob') alice.reload()
      if (who !== 'Alice') bob.reload()
      await world.pass(waits)
      await world.until(() => rings(bob))
      await accept(world, alice, bob)
      await world.pass(1_000)
      expect([isConnected(alice), isConnected(bob), world.network.open.length]).toEqual([true, true, 2])
    }
  }
}, 30_000)

test('a page of several loaded anew while it rings does no harm to the others', async () => {
  for (const which of [0, 1]) {
    const { world, alice, bobs: [first, second] } = await ringing(2, 500)
    if (!first || !second) throw new Error('nobody')
    first.reload()
    await world.pass(500)
    await accept(world, alice, which === 0 ? first : second)
    expect(world.network.open.length).toBe(2)
  }
})

test('descriptions of browsers hold no address when they are meant not to', () => {
  const folder = new URL('../../../vectors/sdp/', import.meta.url)
  const names = readdirSync(folder).filter((name) => /^(chromium|firefox).*\.sdp$/.test(name))
  expect(names.length).toBeGreaterThan(10)
  for (const name of names) {
    const sdp = readFileSync(new URL(name, folder), 'utf8')
    const bare = withoutAddresses(sdp)
    expect(bare.match(/candidate|\.local|IP6|\b\d+\.\d+\.\d+\.\d+\b/g)?.filter((it) => it !== '0.0.0.0') ?? []).toEqual([])
    expect(bare.match(/^a=(?:fingerprint|ice-ufrag|ice-pwd|mid|setup|group|ssrc|rtpmap).*/gm)).toEqual(sdp.match(/^a=(?:fingerprint|ice-ufrag|ice-pwd|mid|setup|group|ssrc|rtpmap).*/gm))
    expect(bare.match(/^m=.*/gm)).toEqual(sdp.match(/^m=.*/gm)?.map((line) => line.replace(/^(m=\S+) [1-9]\d*/, '$1 9')))
  }
  expect(withoutAddresses('o=- 1 2 IN IP6 ::1\r\nc=IN IP6 2001:db8::1\r\nm=audio 4000 RTP/AVP 0\r\na=rtcp:4001 IN IP4 192.0.2.1\r\na=candidate:1 1 udp 1 x.local 9 typ host\r\n'))
    .toBe('o=- 1 2 IN IP4 0.0.0.0\r\nc=IN IP4 0.0.0.0\r\nm=audio 9 RTP/AVP 0\r\na=rtcp:4001 IN IP4 0.0.0.0\r\n')
})

function running({ model: { call } }: Page) {
  if (call.kind !== 'running') throw new Error(`the call is ${call.kind}`)
  return call
}
