/** Whole clients against a server in memory: calls with every frame as the breaking point, reloads, restarts, glare. */
import { describe, expect, test } from 'vitest'
import type { RunningCall } from '../src/model.js'
import { World, type Fault, type Page } from './world.js'

const sends = { audio: true, video: true }
const isConnected = ({ model: { call } }: Page) => call.kind === 'running' && call.path === 'connected'
const kind = (page: Page) => page.model.call.kind
const running = ({ model: { call } }: Page): RunningCall => {
  if (call.kind !== 'running') throw new Error(`the call is ${call.kind}`)
  return call
}

/** Alice calls Bob, he accepts, both say something, Bob hangs up. */
async function wholeCall(world: World, alice: Page, bob: Page): Promise<void> {
  await connect(world, alice, bob)
  alice.client.commands.say('one')
  bob.client.commands.say('two')
  await world.until(() => [alice, bob].every((page) => running(page).messages.length === 2 && running(page).messages.every(({ delivered }) => delivered)), () => [running(alice), running(bob)])
  bob.client.commands.hangUp()
  await world.until(() => kind(alice) === 'ended')
}

async function connect(world: World, alice: Page, bob: Page): Promise<void> {
  alice.client.commands.call('Bob')
  await world.until(() => kind(bob) === 'incoming')
  void bob.client.commands.accept(sends)
  await world.until(() => isConnected(alice) && isConnected(bob), () => [alice.model.call, bob.model.call])
}

async function two(): Promise<{ world: World; alice: Page; bob: Page }> {
  const world = new World()
  const alice = await world.person('Alice')
  const bob = await world.person('Bob')
  return { world, alice, bob }
}

const framesOfACall = await (async () => {
  const { world, alice, bob } = await two()
  await wholeCall(world, alice, bob)
  return world.frames
})()

test('a call takes as many frames as we think', () => {
  // Otherwise the tests below would cut at frames that never come.
  expect(framesOfACall).toBeGreaterThan(15)
  expect(framesOfACall).toBeLessThan(60)
})

test.each([1, 2])('a name that is typed on while frame %i of the greeting crosses is the one that counts', async (frame) => {
  const world = new World()
  const page = world.page()
  world.at = { frame, then: () => page.client.commands.connect('Ada Lovelace') }
  page.client.commands.connect('Ada')
  await world.until(() => page.model.me?.name === 'Ada Lovelace', () => page.model.me)
})

describe('of a call that was accepted the page is told', () => {
  const firstTold = (page: Page) => {
    const told: { path: string; at: number }[] = []
    page.client.subscribe(({ call }) => { if (call.kind === 'running') told.push({ path: call.path, at: page.world.clock.now() }) })
    return told
  }

  test.each([[true, 'connected'], [false, 'connecting']])('at once if all was done while it rang (relays: %s)', async (relays, path) => {
    const { world, alice, bob } = await two()
    world.network.relays = relays
    const told = [firstTold(alice), firstTold(bob)]
    alice.client.commands.call('Bob')
    await world.until(() => kind(bob) === 'incoming')
    await world.pass(100)
    expect([alice, bob].map(({ model: { call } }) => (call.kind === 'outgoing' || call.kind === 'incoming') && call.prepared)).toEqual([true, true])
    expect([alice, bob].map(({ client }) => client.commands.streams().remote?.getTracks().length)).toEqual([1, 1])
    void bob.client.commands.accept(sends)
    await world.until(() => kind(alice) === 'running' && kind(bob) === 'running')
    const start = world.clock.now()
    await world.until(() => told.every((list) => list.length > 0))
    expect(told.map(([first]) => first)).toEqual([{ path, at: start }, { path, at: start }])
  })

  test('once it is connected if not', async () => {
    const { world, alice, bob } = await two()
    const told = [firstTold(alice), firstTold(bob)]
    await connect(world, alice, bob)
    expect(told.map(([first]) => first?.path)).toEqual(['connected', 'connected'])
  })

  test('after half a second if no path is found', async () => {
    const { world, alice, bob } = await two()
    world.network.broken = true
    const told = firstTold(alice)
    alice.client.commands.call('Bob')
    await world.until(() => kind(bob) === 'incoming')
    void bob.client.commands.accept(sends)
    await world.until(() => kind(alice) === 'running')
    const start = world.clock.now()
    await world.until(() => told.length > 0)
    expect(told[0]).toEqual({ path: 'connecting', at: start + 500 })
  })
})

describe.each<Fault>(['lose', 'deliver'])('a socket that breaks (%s)', (fault) => {
  test.each(Array.from({ length: framesOfACall }, (_, index) => index + 1))('at frame %i loses and doubles nothing', async (at) => {
    const world = new World()
    world.fault = { at, fault }
    const alice = await world.person('Alice')
    const bob = await world.person('Bob')
    await wholeCall(world, alice, bob)
    await world.until(() => world.rendezvous.heard.some(({ type }) => type === 'end'))
    const count = (type: string) => world.rendezvous.heard.filter((message) => message.type === type).length
    expect([count('invite'), count('accept')]).toEqual([1, 1])
    expect(alice.model.call).toMatchObject({ kind: 'ended', reason: 'hung-up', to: 'Bob' })
    expect(bob.model.call).toMatchObject({ kind: 'ended', reason: 'hung-up', to: 'Alice' })
  })
})

describe('a page loaded anew', () => {
  const moments = Array.from({ length: framesOfACall - 4 }, (_, index) => index + 5).flatMap((frame) => (['Alice', 'Bob'] as const).map((who) => [who, frame] as const))
  test.each(moments)('by %s at frame %i comes back into the call', async (who, frame) => {
    const { world, alice, bob } = await two()
    let reloaded = false
    world.at = { frame, then: () => world.clock.after(0, () => { reloaded = true; (who === 'Alice' ? alice : bob).reload() }) }
    alice.client.commands.call('Bob')
    await world.until(() => kind(bob) === 'incoming')
    // Behind the page that went, if it did: only a page that is there can accept.
    await world.pass(1)
    await world.until(() => bob.model.server.kind === 'online')
    void bob.client.commands.accept(sends)
    await world.until(() => isConnected(alice) && isConnected(bob), () => [alice.model.call, bob.model.call, reloaded])
    await world.pass(1_000)
    await world.until(() => isConnected(alice) && isConnected(bob), () => [alice.model.call, bob.model.call, reloaded])
    alice.client.commands.say('here')
    await world.until(() => running(bob).messages.at(-1)?.text === 'here')
  })

  test('twice, the second time before the server answered', async () => {
    const { world, alice, bob } = await two()
    await connect(world, alice, bob)
    alice.reload()
    alice.reload()
    await world.until(() => isConnected(alice) && isConnected(bob))
  })

  test('by both at once', async () => {
    const { world, alice, bob } = await two()
    await connect(world, alice, bob)
    alice.reload()
    bob.reload()
    expect(running(alice).path).toBe('reconnecting')
    await world.until(() => isConnected(alice) && isConnected(bob))
    expect(world.network.open.length).toBe(2)
  })

  test('keeps what was said and does not say it twice', async () => {
    const { world, alice, bob } = await two()
    await connect(world, alice, bob)
    world.network.break()
    alice.client.commands.say('lost?')
    alice.reload()
    world.network.mend()
    await world.until(() => isConnected(alice) && isConnected(bob) && running(alice).messages.every(({ delivered }) => delivered))
    expect(running(bob).messages.map(({ text }) => text)).toEqual(['lost?'])
  })

  test('that does not come back has hung up', async () => {
    const { world, alice, bob } = await two()
    await connect(world, alice, bob)
    const left = world.clock.now()
    bob.leave()
    await world.until(() => kind(alice) === 'ended')
    expect(alice.model.call).toMatchObject({ reason: 'hung-up' })
    expect(world.clock.now() - left).toBeGreaterThanOrEqual(10_000)
    expect(world.clock.now() - left).toBeLessThan(10_100)
  })
})

test('a page that goes without a word has hung up all the same', async () => {
  const { world, alice, bob } = await two()
  await connect(world, alice, bob)
  for (const pc of world.network.open) for (const channel of pc.channels) channel.send = () => {}
  bob.leave()
  await world.until(() => kind(alice) === 'ended')
  expect(alice.model.call).toMatchObject({ reason: 'hung-up' })
})

describe('a server that starts anew', () => {
  test('takes a running call up again, and it can be ended', async () => {
    const { world, alice, bob } = await two()
    await connect(world, alice, bob)
    world.rendezvous.restart()
    await world.until(() => alice.model.server.kind === 'reconnecting')
    expect(isConnected(alice) && isConnected(bob)).toBe(true)
    await world.until(() => alice.model.server.kind === 'online' && bob.model.server.kind === 'online')
    await world.pass(100)
    world.network.break()
    world.network.mend()
    await world.until(() => running(alice).path === 'reconnecting')
    await world.until(() => isConnected(alice) && isConnected(bob))
    bob.client.commands.hangUp()
    await world.until(() => kind(alice) === 'ended')
  })

  test('ends what was ringing', async () => {
    const { world, alice, bob } = await two()
    alice.client.commands.call('Bob')
    await world.until(() => kind(bob) === 'incoming')
    world.rendezvous.restart()
    await world.until(() => kind(alice) === 'ended' && kind(bob) === 'ended')
    expect(alice.model.call).toMatchObject({ reason: 'lost' })
  })

  test('away, both can still hang up', async () => {
    const { world, alice, bob } = await two()
    await connect(world, alice, bob)
    world.rendezvous.connect = () => { throw new Error('no server') }
    bob.client.commands.hangUp()
    await world.until(() => kind(alice) === 'ended')
    expect(alice.model.call).toMatchObject({ reason: 'hung-up' })
  })
})

describe('a path that breaks', () => {
  test('is found again by an ICE restart, with the same peer connections', async () => {
    const { world, alice, bob } = await two()
    await connect(world, alice, bob)
    const before = world.network.open
    world.network.break()
    await world.until(() => running(alice).path === 'reconnecting')
    expect(running(alice).quality.verdict).toBe('lost')
    await world.pass(1_000)
    world.network.mend()
    await world.until(() => isConnected(alice) && isConnected(bob))
    expect(world.network.open).toEqual(before)
  })

  test('for long is found by new peer connections', async () => {
    const { world, alice, bob } = await two()
    await connect(world, alice, bob)
    const before = world.network.open
    world.network.break()
    await world.pass(60_000)
    world.network.mend()
    await world.until(() => isConnected(alice) && isConnected(bob))
    expect(world.network.open.some((pc) => before.includes(pc))).toBe(false)
    expect(world.network.open.length).toBe(2)
  })

  test('never found ends as failed', async () => {
    const { world, alice, bob } = await two()
    world.network.broken = true
    alice.client.commands.call('Bob')
    await world.until(() => kind(bob) === 'incoming')
    void bob.client.commands.accept(sends)
    await world.until(() => kind(alice) === 'ended' && kind(bob) === 'ended')
    expect([alice, bob].map(({ model: { call } }) => call.kind === 'ended' && call.reason)).toContain('failed')
  })
})

describe('how calls begin and end', () => {
  const reason = ({ model: { call } }: Page) => (call.kind === 'ended' ? call.reason : call.kind)

  test('declined', async () => {
    const { world, alice, bob } = await two()
    alice.client.commands.call('Bob')
    await world.until(() => kind(bob) === 'incoming')
    bob.client.commands.decline()
    await world.until(() => kind(alice) === 'ended')
    expect([reason(alice), reason(bob)]).toEqual(['declined', 'idle'])
    alice.client.commands.dismiss()
    expect(kind(alice)).toBe('idle')
  })

  test('cancelled, and nobody is left with a peer connection', async () => {
    const { world, alice, bob } = await two()
    alice.client.commands.call('Bob')
    await world.until(() => kind(bob) === 'incoming')
    alice.client.commands.hangUp()
    await world.until(() => kind(bob) === 'ended')
    await world.pass(200)
    expect([reason(alice), reason(bob), world.network.open.length]).toEqual(['cancelled', 'cancelled', 0])
  })

  test('unavailable', async () => {
    const { world, alice } = await two()
    alice.client.commands.call('Nobody')
    await world.until(() => kind(alice) === 'ended')
    expect(reason(alice)).toBe('unavailable')
  })

  test('busy', async () => {
    const { world, alice, bob } = await two()
    await connect(world, alice, bob)
    const carol = await world.person('Carol')
    carol.client.commands.call('Bob')
    await world.until(() => kind(carol) === 'ended')
    expect([reason(carol), kind(bob)]).toEqual(['busy', 'running'])
  })

  test('accepted twice is accepted once', async () => {
    const { world, alice, bob } = await two()
    alice.client.commands.call('Bob')
    await world.until(() => kind(bob) === 'incoming')
    void bob.client.commands.accept(sends)
    void bob.client.commands.accept(sends)
    await world.until(() => isConnected(alice) && isConnected(bob))
    expect(world.rendezvous.heard.filter(({ type }) => type === 'accept').length).toBe(1)
  })

  test('taken on one device, the other stops ringing', async () => {
    const { world, alice, bob } = await two()
    const tablet = await world.person('Bob')
    alice.client.commands.call('Bob')
    await world.until(() => kind(bob) === 'incoming' && kind(tablet) === 'incoming')
    void tablet.client.commands.accept(sends)
    await world.until(() => isConnected(alice) && isConnected(tablet) && kind(bob) === 'ended')
    expect(reason(bob)).toBe('elsewhere')
  })

  test.each([0, 1, 2, 3])('both call each other, the second %i ms later', async (later) => {
    const { world, alice, bob } = await two()
    alice.client.commands.call('Bob')
    world.clock.after(later, () => bob.client.commands.call('Alice'))
    await world.until(() => kind(bob) !== 'idle')
    // Once it rings there the person can only accept.
    if (kind(bob) === 'incoming') void bob.client.commands.accept(sends)
    await world.until(() => isConnected(alice) && isConnected(bob), () => [alice.model.call, bob.model.call])
    await world.pass(1_000)
    expect([isConnected(alice), isConnected(bob), running(alice).id === running(bob).id]).toEqual([true, true, true])
  })

  test('called while waiting at a link', async () => {
    const { world, alice, bob } = await two()
    bob.client.commands.meet('garden')
    await world.pass(10)
    alice.client.commands.call('Bob')
    await world.until(() => kind(bob) === 'incoming')
    void bob.client.commands.accept(sends)
    await world.until(() => isConnected(alice) && isConnected(bob))
    expect(world.rendezvous.heard.some(({ type }) => type === 'leave')).toBe(true)
  })

  test('met at a link', async () => {
    const { world, alice, bob } = await two()
    alice.client.commands.meet('garden')
    await world.until(() => world.rendezvous.heard.some(({ type }) => type === 'meet'))
    expect(alice.model.call).toEqual({ kind: 'waiting', room: 'garden', key: null })
    bob.client.commands.meet('garden')
    await world.until(() => isConnected(alice) && isConnected(bob))
    expect(running(alice).peer.name).toBe('Bob')
  })
})

test('credentials are renewed before they end, and only once', async () => {
  const { world, alice, bob } = await two()
  world.rendezvous.iceLifetime = 1000
  world.rendezvous.iceServers = [{ urls: ['turn:new'], username: 'u', credential: 'c' }]
  const count = () => world.rendezvous.heard.filter(({ type }) => type === 'ice-servers').length
  await connect(world, alice, bob)
  await world.pass(2_879_000)
  expect(count()).toBe(0)
  await world.pass(2_000)
  expect(count()).toBe(2)
  expect(world.network.open.map(({ configured }) => configured.iceServers)).toEqual([world.rendezvous.iceServers, world.rendezvous.iceServers])
  await world.pass(798_000)
  expect(count()).toBe(2)
  await world.pass(2_000)
  expect(count()).toBe(4)
})

test('an identity outlives the page, and the name with it', async () => {
  const { world, alice } = await two()
  const me = alice.model.me
  alice.reload()
  alice.client.commands.connect('')
  await world.until(() => alice.model.server.kind === 'online')
  expect(alice.model.me).toEqual(me)
})
