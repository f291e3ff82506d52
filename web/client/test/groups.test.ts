/** A room in groups, files in a room, and what a page is told of pictures. */
import { resolveObjectURL } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import { fakeDevices } from './fakes.js'
import { calls, inRoom, room, sees, showAll, three } from './meeting.js'
import { World, type Page } from './world.js'

const number = (page: Page): number => room(page).you
const plan = (...groups: readonly (readonly Page[])[]) => groups.map((pages, index) => ({ name: `Group ${index + 1}`, members: pages.map(number) }))

describe('groups', () => {
  test('who is sent to one is there at once, with what they had on, and finds the messages of the main room again', async () => {
    const { world, alice, bob, cyd, all } = await three()
    const main = room(alice).id
    bob.client.commands.say('before')
    await world.until(() => room(cyd).messages.length === 1)
    const since = room(bob).since
    const asked: string[] = []
    bob.client.subscribe(({ camera }) => asked.push(camera.kind))
    alice.client.commands.breakout({ kind: 'start', groups: plan([bob, cyd]), rest: false })
    await world.until(() => [bob, cyd].every((page) => inRoom(page, 2) && room(page).id !== main), calls(all))
    expect(room(bob)).toMatchObject({ main, since, messages: [], breakout: { at: 1, groups: [{ name: 'Group 1' }] } })
    for (const page of [bob, cyd]) showAll(page)
    await world.until(() => sees(bob, 'Cyd') && sees(cyd, 'Bob'), calls(all))
    expect(new Set(asked)).toEqual(new Set(['on']))
    await world.until(() => room(alice).members.length === 1)
    // What is said in a group stays there; what an owner says to all is heard everywhere.
    cyd.client.commands.say('among us')
    alice.client.commands.breakout({ kind: 'say', text: 'five minutes' })
    await world.until(() => room(bob).messages.length === 2)
    expect(room(bob).messages.map(({ from, text }) => [from, text])).toEqual(expect.arrayContaining([['Cyd', 'among us'], ['Alice', 'five minutes']]))
    expect(room(alice).messages).toMatchObject([{ text: 'before' }, { mine: true, text: 'five minutes' }])
    alice.client.commands.breakout({ kind: 'recall', seconds: 0 })
    await world.until(() => all.every((page) => inRoom(page) && room(page).id === main), calls(all))
    expect(room(bob)).toMatchObject({ breakout: null, since, messages: [{ mine: true, text: 'before' }] })
    expect(room(cyd).messages).toMatchObject([{ from: 'Bob', text: 'before' }])
    await world.pass(6_000)
    expect(world.network.open.length).toBe(6)
  })

  test('an owner visits one and comes back, and hanging up in a group ends it for oneself alone', async () => {
    const { world, alice, bob, cyd, all } = await three()
    alice.client.commands.breakout({ kind: 'start', groups: plan([bob], [cyd]), rest: false })
    await world.until(() => room(cyd).breakout?.at === 2)
    alice.client.commands.breakout({ kind: 'go', group: 2 })
    await world.until(() => inRoom(alice, 2) && inRoom(cyd, 2), calls(all))
    expect(room(alice).members.map(({ person }) => person.name)).toEqual(['Alice', 'Cyd'])
    alice.client.commands.breakout({ kind: 'go', group: null })
    await world.until(() => room(alice).id === room(alice).main && inRoom(alice, 1), calls(all))
    await world.until(() => room(cyd).members.length === 1)
    bob.client.commands.hangUp()
    expect(bob.model.call).toMatchObject({ kind: 'ended', reason: 'hung-up', room: 'garden' })
    await world.pass(6_000)
    expect(world.network.open.length).toBe(4)
  })

  test('a time that is set is told as the moment at which it is over', async () => {
    const { world, alice } = await three()
    const [session] = world.conferences.all.flatMap(({ seats }) => seats).filter(({ member }) => member.person.name === 'Alice').map((seat) => seat.session)
    const breakout = { groups: [{ number: 1, name: 'Red' }], at: null, yours: 1, seconds: 60, closing: true }
    world.rendezvous.tell(session!, { type: 'breakout', call: room(alice).id, breakout })
    await world.until(() => room(alice).breakout !== null)
    expect(room(alice).breakoutEnds).toBe(world.clock.now() + 60_000)
  })
})

const trusting = (page: Page, people: number) => inRoom(page, people) && Object.values(room(page).encryption?.trust ?? {}).every((it) => it === 'verified')

/** Three in an encrypted room, who have each other's keys. */
async function vault(): Promise<{ world: World; all: readonly Page[]; alice: Page; bob: Page; cyd: Page }> {
  const world = new World()
  world.holdForCryptography()
  world.devices = fakeDevices()
  const all: Page[] = []
  for (const name of ['Alice', 'Bob', 'Cyd']) {
    const page = await world.person(name)
    page.client.commands.meet('vault', 'q2hX0mV1aYw2m8r4xJo1kA')
    all.push(page)
  }
  const [alice, bob, cyd] = all as [Page, Page, Page]
  await world.until(() => all.every((page) => trusting(page, 3)), calls(all))
  return { world, all, alice, bob, cyd }
}

test('a group of an encrypted room has keys of its own', { timeout: 30_000 }, async () => {
  const { world, all, alice, bob, cyd } = await vault()
  const code = room(alice).encryption?.safetyCode
  alice.client.commands.breakout({ kind: 'start', groups: plan([bob, cyd]), rest: false })
  await world.until(() => trusting(bob, 2) && trusting(cyd, 2), calls(all))
  expect(room(bob).encryption?.safetyCode).not.toBe(code)
  bob.client.commands.say('among us')
  await world.until(() => room(cyd).messages.length === 1)
  alice.client.commands.breakout({ kind: 'recall', seconds: 0 })
  await world.until(() => all.every((page) => trusting(page, 3)), calls(all))
})

describe('what a page is told', () => {
  test('a picture that stands still for want of bandwidth is named until it goes on', async () => {
    const { world, alice } = await three()
    const [session] = world.conferences.all.flatMap(({ seats }) => seats).filter(({ member }) => member.person.name === 'Alice').map((seat) => seat.session)
    const paused = (source: { member: number; source: 'camera' } | null) => world.rendezvous.tell(session!, { type: 'paused', call: room(alice).id, slot: 1, source })
    paused({ member: 2, source: 'camera' })
    await world.until(() => Object.keys(room(alice).paused).length === 1)
    expect(room(alice).paused).toEqual({ 1: { member: 2, source: 'camera' } })
    paused(null)
    await world.until(() => Object.keys(room(alice).paused).length === 0)
  })
})

const bytes = (length: number) => Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) & 0xff)
const fileOf = (length: number, name = 'plan.pdf') => new File([bytes(length)], name, { type: 'application/pdf' })
const files = (page: Page) => room(page).files
const received = async (page: Page) => new Uint8Array(await resolveObjectURL(files(page)[0]?.url ?? '')!.arrayBuffer())

describe('files in a room', { timeout: 30_000 }, () => {
  test('are offered to everybody, and go to those who take them, whole', async () => {
    const { world, alice, bob, cyd } = await three()
    alice.client.commands.sendFiles([fileOf(100_000)])
    await world.until(() => files(bob).length === 1 && files(cyd).length === 1)
    expect(files(bob)).toMatchObject([{ mine: false, from: 'Alice', name: 'plan.pdf', size: 100_000, state: 'offered' }])
    for (const page of [bob, cyd]) page.client.commands.takeFile(files(page)[0]!.id)
    await world.until(() => files(bob)[0]?.state === 'done' && files(cyd)[0]?.state === 'done', () => [files(bob), files(cyd)])
    expect(await received(bob)).toEqual(bytes(100_000))
    await world.until(() => files(alice)[0]?.takers?.done === 2, () => files(alice))
    expect(files(alice)).toMatchObject([{ mine: true, state: 'done', takers: { running: 0, done: 2 } }])
    await world.pass(5_000)
    expect(world.network.open.length, 'only the ways to the server are left').toBe(6)
  })

  test('go to one alone if they are for one, and not to who refuses them', async () => {
    const { world, alice, bob, cyd } = await three()
    alice.client.commands.sendFiles([fileOf(10, 'for-cyd.txt')], number(cyd))
    await world.until(() => files(cyd).length === 1)
    cyd.client.commands.refuseFile(files(cyd)[0]!.id)
    expect(files(cyd)[0]?.state).toBe('refused')
    await world.pass(1_000)
    expect(files(bob)).toEqual([])
  })

  test('are known to who comes later, until they are withdrawn or their owner is gone', async () => {
    const { world, alice, bob, cyd } = await three()
    alice.client.commands.sendFiles([fileOf(10, 'one.txt')])
    bob.client.commands.sendFiles([fileOf(10, 'two.txt')])
    world.devices = fakeDevices()
    const dan = await world.person('Dan')
    dan.client.commands.meet('garden')
    await world.until(() => dan.model.call.kind === 'room' && files(dan).length === 2, calls([dan]))
    alice.client.commands.cancelFile(files(alice).find(({ mine }) => mine)!.id)
    bob.client.commands.hangUp()
    await world.until(() => files(dan).every(({ state }) => state === 'cancelled') && files(cyd).every(({ state }) => state === 'cancelled'), () => files(dan))
  })

  test('go on where they stopped when their way breaks', async () => {
    const { world, alice, bob } = await three()
    alice.client.commands.sendFiles([fileOf(5 << 20)])
    await world.until(() => files(bob).length === 1)
    bob.client.commands.takeFile(files(bob)[0]!.id)
    const ways = () => world.network.open.flatMap((pc) => pc.channels.filter(({ label }) => label === 'bulk').map((channel) => ({ pc, channel })))
    // Not "until some has arrived": that is told now and then, and hashing takes real time, in which all may arrive.
    await world.until(() => ways().some(({ channel }) => channel.sent > 20))
    expect(ways()).toHaveLength(2)
    ways()[0]!.pc.close()
    await world.until(() => files(bob)[0]?.state === 'paused', () => files(bob))
    const stopped = files(bob)[0]!.done
    await world.until(() => files(bob)[0]?.state !== 'paused', () => [files(bob), files(alice), stopped])
    expect(files(bob)[0]!.done).toBeGreaterThanOrEqual(stopped)
    await world.until(() => files(bob)[0]?.state === 'done', () => files(bob))
    expect((await received(bob)).length).toBe(5 << 20)
  })

  test('in an encrypted room are negotiated in words that the server cannot read', async () => {
    const { world, alice, bob } = await vault()
    alice.client.commands.sendFiles([fileOf(50_000)])
    await world.until(() => files(bob).length === 1)
    bob.client.commands.takeFile(files(bob)[0]!.id)
    await world.until(() => files(bob)[0]?.state === 'done', () => files(bob))
    expect(await received(bob)).toEqual(bytes(50_000))
    expect(world.conferences.whispers.length).toBeGreaterThan(2)
    expect(world.conferences.whispers.filter((text) => !/^[A-Za-z0-9_-]+$/.test(text))).toEqual([])
  })
})
