/** Rooms: a third person joins, and leaves; every frame as the breaking point; what is seen, heard, written and decided. */
import { describe, expect, test } from 'vitest'
import { assign } from '../src/arrange.js'
import type { RoomCall, Tile } from '../src/model.js'
import { fakeDevices, type FakePeerConnection } from './fakes.js'
import { World, type Fault, type Page } from './world.js'

const kind = (page: Page) => page.model.call.kind
const isDirect = ({ model: { call, next } }: Page) => call.kind === 'running' && call.path === 'connected' && next === null
const inRoom = ({ model: { call, next } }: Page, people = 3) => call.kind === 'room' && call.path === 'connected' && call.members.filter(({ connected }) => connected).length === people && next === null
const room = ({ model: { call } }: Page): RoomCall => {
  if (call.kind !== 'room') throw new Error(`the call is ${call.kind}`)
  return call
}
const calls = (pages: readonly Page[]) => () => pages.map(({ model: { call, next } }) => [call, next])
const sees = (page: Page, name: string) => {
  const member = room(page).members.find(({ person }) => person.name === name)
  return member !== undefined && page.client.commands.streams().pictures.has(`${member.number} camera`)
}

/** Alice and Bob in a call of two at a link, with cameras. */
async function couple(world = new World()): Promise<{ world: World; alice: Page; bob: Page }> {
  world.devices = fakeDevices()
  const alice = await world.person('Alice')
  const bob = await world.person('Bob')
  for (const page of [alice, bob]) await page.client.commands.openCamera()
  for (const page of [alice, bob]) await page.client.commands.openMicrophone()
  alice.client.commands.meet('garden')
  bob.client.commands.meet('garden')
  await world.until(() => isDirect(alice) && isDirect(bob), calls([alice, bob]))
  return { world, alice, bob }
}

async function third(world: World): Promise<Page> {
  const cyd = await world.person('Cyd')
  await cyd.client.commands.openCamera()
  await cyd.client.commands.openMicrophone()
  cyd.client.commands.meet('garden')
  return cyd
}

async function three(): Promise<{ world: World; alice: Page; bob: Page; cyd: Page; all: readonly Page[] }> {
  const { world, alice, bob } = await couple()
  const cyd = await third(world)
  const all = [alice, bob, cyd]
  await world.until(() => all.every((page) => inRoom(page)), calls(all))
  for (const page of all) showAll(page)
  await world.pass(6_000)
  return { world, alice, bob, cyd, all }
}

/** The page shows everybody. */
function showAll(page: Page): void {
  page.client.commands.arrange(room(page).members.filter(({ number }) => number !== room(page).you).map(({ number }) => ({ member: number, source: 'camera', height: 300 })))
}

const clientPeer = (world: World, page: Page): FakePeerConnection => {
  const found = world.network.openOf(page).at(-1)
  if (!found) throw new Error('no peer connection')
  return found
}

describe('a third person', () => {
  test('makes a room of a call, without a moment in which nobody is seen', async () => {
    const { world, alice, bob } = await couple()
    alice.client.commands.say('before')
    await world.until(() => bob.model.call.kind === 'running' && bob.model.call.messages.length === 1)
    const states: string[] = []
    alice.client.subscribe(({ call, next }) => {
      const shown = call.kind === 'room' || call.kind === 'running' ? `${call.kind} ${call.path}` : call.kind
      if (states.at(-1) !== shown) states.push(shown)
      // The room takes the place of the call only when its pictures move.
      if (call.kind === 'room') expect(next).toBeNull()
    })
    const since = alice.model.call.kind === 'running' ? alice.model.call.since : 0
    const cyd = await third(world)
    await world.until(() => [alice, bob, cyd].every((page) => inRoom(page)), calls([alice, bob, cyd]))
    expect(states).toEqual(['running connected', 'room connected'])
    expect(sees(alice, 'Bob')).toBe(true)
    expect(room(alice)).toMatchObject({ room: 'garden', since, messages: [{ mine: true, text: 'before' }] })
    expect(room(bob).messages).toMatchObject([{ mine: false, from: 'Alice', text: 'before' }])
    expect(room(cyd).messages).toEqual([])
    expect([alice, bob, cyd].map((page) => room(page).members.find(({ number }) => number === room(page).you)?.role)).toEqual(['owner', 'presenter', 'presenter'])
    await world.pass(6_000)
    expect(world.network.open.length).toBe(6)
  })

  test('who shows no pictures yet leaves the call of two where it is, for eight seconds', async () => {
    const { world, alice, bob } = await couple()
    world.conferences.forwarding = false
    const begun = world.clock.now()
    const cyd = await third(world)
    await world.until(() => kind(alice) === 'room' && kind(bob) === 'room', calls([alice, bob, cyd]))
    expect(world.clock.now() - begun).toBeGreaterThanOrEqual(2_900)
    expect(world.clock.now() - begun).toBeLessThan(8_500)
  })

  test('who is gone before anything flowed leaves the two as they were', async () => {
    const { world, alice, bob } = await couple()
    world.conferences.forwarding = false
    const cyd = await third(world)
    await world.until(() => alice.model.next !== null)
    cyd.client.commands.hangUp()
    world.conferences.forwarding = true
    await world.pass(30_000)
    await world.until(() => isDirect(alice) && isDirect(bob), calls([alice, bob]))
    expect(world.network.open.length).toBe(2)
  })

  test('who leaves makes it a call of two again, and what was said stays', async () => {
    const { world, alice, bob, cyd } = await three()
    cyd.client.commands.say('bye')
    await world.until(() => room(bob).messages.length === 1)
    const states: string[] = []
    bob.client.subscribe(({ call }) => { if ((call.kind === 'running' || call.kind === 'room') && states.at(-1) !== `${call.kind} ${call.path}`) states.push(`${call.kind} ${call.path}`) })
    cyd.client.commands.hangUp()
    expect(cyd.model.call).toMatchObject({ kind: 'ended', reason: 'hung-up', room: 'garden' })
    await world.until(() => isDirect(alice) && isDirect(bob), calls([alice, bob]))
    expect(states).toEqual(['room connected', 'running connected'])
    expect(bob.model.call).toMatchObject({ kind: 'running', room: 'garden', peer: { name: 'Alice' }, messages: [{ from: 'Cyd', text: 'bye' }] })
    await world.pass(6_000)
    expect(world.network.open.length).toBe(2)
    expect(world.conferences.all).toEqual([])
  })

  test('joins by a link that a call got while it ran', async () => {
    const world = new World()
    const alice = await world.person('Alice')
    const bob = await world.person('Bob')
    alice.client.commands.call('Bob')
    await world.until(() => kind(bob) === 'incoming')
    void bob.client.commands.accept({ audio: false, video: false })
    await world.until(() => isDirect(alice) && isDirect(bob))
    alice.client.commands.openLink()
    const link = () => (bob.model.call.kind === 'running' ? bob.model.call.room : null)
    await world.until(() => link() !== null)
    const cyd = await world.person('Cyd')
    cyd.client.commands.meet(link() ?? '')
    await world.until(() => [alice, bob, cyd].every((page) => inRoom(page)))
  })

  test('during whose coming one hangs up: they leave both', async () => {
    const { world, alice, bob } = await couple()
    const cyd = await third(world)
    await world.until(() => alice.model.next !== null)
    alice.client.commands.hangUp()
    await world.pass(30_000)
    await world.until(() => isDirect(bob) && isDirect(cyd), calls([alice, bob, cyd]))
    expect(alice.model).toMatchObject({ call: { kind: 'ended', reason: 'hung-up' }, next: null })
  })
})

const framesOfJoining = await (async () => {
  const { world, alice, bob } = await couple()
  const before = world.frames
  const cyd = await third(world)
  await world.until(() => [alice, bob, cyd].every((page) => inRoom(page)))
  return { before, count: world.frames - before }
})()

test('joining takes as many frames as we think', () => {
  expect(framesOfJoining.count).toBeGreaterThan(30)
  expect(framesOfJoining.count).toBeLessThan(90)
})

const moments = Array.from({ length: framesOfJoining.count }, (_, index) => framesOfJoining.before + index + 1)

describe.each<Fault>(['lose', 'deliver'])('a socket that breaks (%s)', (fault) => {
  test.each(moments)('at frame %i brings all three into the room', async (at) => {
    const { world, alice, bob } = await couple()
    world.fault = { at, fault }
    const cyd = await third(world)
    const all = [alice, bob, cyd]
    await world.until(() => all.every((page) => inRoom(page)), calls(all))
    await world.pass(13_000)
    expect(all.every((page) => inRoom(page))).toBe(true)
  })
})

describe('a page loaded anew', () => {
  test.each(['Alice', 'Bob', 'Cyd'])('by %s comes back into the room under the same number', async (who) => {
    const { world, all } = await three()
    const page = all[['Alice', 'Bob', 'Cyd'].indexOf(who)]
    if (!page) throw new Error(who)
    page.client.commands.say('kept')
    const { you } = room(page)
    page.reload()
    expect(room(page)).toMatchObject({ path: 'reconnecting', shown: [] })
    await world.until(() => all.every((it) => inRoom(it)), calls(all))
    expect(room(page)).toMatchObject({ you, messages: [{ text: 'kept' }] })
    showAll(page)
    await world.until(() => sees(page, who === 'Bob' ? 'Alice' : 'Bob'), () => room(page))
    expect(world.network.open.map((pc) => [pc.configured, pc.signalingState, pc.connectionState, pc.fragment])).toHaveLength(6)
  })

  test('by all at once', async () => {
    const { world, all } = await three()
    for (const page of all) page.reload()
    await world.until(() => all.every((page) => inRoom(page)), calls(all))
  })
})

test('a server that starts anew has everybody back in the room', async () => {
  const { world, all } = await three()
  const numbers = all.map((page) => room(page).you)
  world.rendezvous.restart()
  await world.until(() => all.every((page) => page.model.server.kind === 'reconnecting'))
  await world.until(() => all.every((page) => page.model.server.kind === 'online' && inRoom(page)) && world.rendezvous.heard.filter(({ type }) => type === 'rejoin').length === 3, calls(all))
  expect(all.map((page) => room(page).you)).toEqual(numbers)
  for (const page of all) showAll(page)
  await world.until(() => sees(all[0] as Page, 'Cyd'))
})

describe('a path that breaks', () => {
  test('is found again by an ICE restart', async () => {
    const { world, all } = await three()
    const before = world.network.open
    world.network.break()
    await world.until(() => all.every((page) => room(page).path === 'reconnecting'))
    world.network.mend()
    await world.until(() => all.every((page) => inRoom(page)), calls(all))
    expect(world.network.open).toEqual(before)
  })

  test('for long is found by entering anew', async () => {
    const { world, all } = await three()
    const before = world.network.open
    world.network.break()
    await world.pass(60_000)
    world.network.mend()
    await world.until(() => all.every((page) => inRoom(page)), calls(all))
    expect(world.network.open.filter((pc) => before.includes(pc))).toEqual([])
  })

  test('that is never found when one comes in ends as failed', async () => {
    const { world } = await couple()
    world.network.broken = true
    const cyd = await third(world)
    await world.until(() => kind(cyd) === 'ended')
    expect(cyd.model.call).toMatchObject({ reason: 'failed', room: 'garden' })
  })
})

describe('what is seen', () => {
  const layouts = (world: World) => world.rendezvous.heard.filter((message) => message.type === 'layout')

  test('is what is on the screen, told at most every 150 ms', async () => {
    const { world, alice } = await three()
    const before = layouts(world).length
    for (let height = 100; height < 200; height += 10) alice.client.commands.arrange([{ member: 2, source: 'camera', height }])
    await world.pass(149)
    expect(layouts(world).length).toBe(before + 1)
    await world.pass(160)
    expect(layouts(world).slice(before)).toMatchObject([{ slots: [{ member: 2, height: 120 }, null, null, null, null, null, null, null, null] }, { slots: [{ member: 2, height: 210 }, ...Array<null>(8).fill(null)] }])
    alice.client.commands.arrange([{ member: 2, source: 'camera', height: 185 }])
    await world.pass(1_000)
    expect(layouts(world).length).toBe(before + 2)
    alice.client.commands.arrange([])
    await world.pass(10)
    expect(layouts(world).at(-1)?.slots.every((slot) => slot === null)).toBe(true)
  })

  test('finds more slots when there are more pictures, offered before they are used', async () => {
    const { world, alice } = await three()
    const tiles: Tile[] = Array.from({ length: 12 }, (_, index) => ({ member: index + 2, source: 'camera', height: 90 }))
    const before = world.rendezvous.heard.length
    alice.client.commands.arrange(tiles)
    await world.pass(1_000)
    const said = world.rendezvous.heard.slice(before)
    expect(said.map((message) => (message.type === 'layout' ? message.slots.length : message.type))).toEqual([9, 'description', 16])
    const offer = said.find((message) => message.type === 'description')
    expect(offer?.type === 'description' && (offer.description.sdp?.match(/m=video[^]*?a=(?:recv|send)only/g) ?? []).filter((section) => section.endsWith('recvonly')).length).toBe(16)
    alice.client.commands.arrange(tiles.slice(0, 2))
    await world.pass(1_000)
    expect(clientPeer(world, alice).getTransceivers().length).toBe(3 + 8 + 16)
  })

  test.each<[string, string, string, string]>([
    ['new ones take the free slots in their order', '- - -', 'a b', 'a b -'],
    ['who has a slot keeps it', 'a b c', 'c a', 'a - c'],
    ['a new one takes the place of who went', 'a b c', 'c d a', 'a d c'],
    ['what finds no slot is left out', '- -', 'a b c', 'a b'],
    ['everything changes', 'a b', 'c d', 'c d'],
    ['there are more slots', 'a b', 'b c d', 'c b d -'],
  ])('%s', (_, before, wanted, after) => {
    const number = (letter: string) => letter.charCodeAt(0)
    const slots = before.split(' ').map((letter) => (letter === '-' ? null : { member: number(letter), source: 'camera' as const, height: 90 }))
    const tiles = wanted.split(' ').map((letter) => ({ member: number(letter), source: 'camera' as const, height: 90 }))
    const next = assign(slots, tiles, after.split(' ').length)
    expect(next.map((want) => (want === null ? '-' : String.fromCharCode(want.member))).join(' ')).toBe(after)
  })

  test('is offered in sections of a direction, in what everybody understands', async () => {
    const { world, alice } = await three()
    expect(clientPeer(world, alice).getTransceivers().map(({ kind, direction, codecs }) => `${kind} ${direction} ${codecs.join()}`)).toEqual([
      'audio sendonly audio/opus', ...Array<string>(2).fill('video sendonly video/VP8,video/rtx'),
      ...Array<string>(8).fill('audio recvonly audio/opus'), ...Array<string>(9).fill('video recvonly video/VP8,video/rtx'),
    ])
  })

  test('is sent only in the sizes that somebody wants, and not at all without a camera', async () => {
    const { world, alice } = await three()
    const active = () => clientPeer(world, alice).getTransceivers()[1]?.sender.getParameters().encodings.map(({ rid, active }) => `${rid}${active}`)
    expect(active()).toEqual(['ltrue', 'mtrue', 'htrue'])
    world.conferences.want('Alice', ['l', 'h'])
    await world.until(() => active()?.[1] === 'mfalse')
    expect(active()).toEqual(['ltrue', 'mfalse', 'htrue'])
    alice.client.commands.closeCamera()
    await world.until(() => active()?.[0] === 'lfalse')
    expect(active()).toEqual(['lfalse', 'mfalse', 'hfalse'])
    await alice.client.commands.openCamera()
    await world.until(() => active()?.[0] === 'ltrue')
    expect(active()).toEqual(['ltrue', 'mfalse', 'htrue'])
  })

  test.each([
    [1280, 720, ['l 4', 'm 2', 'h 1']], [540, 960, ['l 4', 'm 2', 'h 1']], [640, 480, ['l 2', 'm 1', 'h off']], [480, 270, ['l 2', 'm 1', 'h off']], [320, 240, ['l 1', 'm off', 'h off']],
  ])('of a camera of %i by %i the sizes are %j', async (width, height, sizes) => {
    const world = new World()
    const { alice, bob } = await couple(world)
    world.devices = fakeDevices(width, height)
    const cyd = await third(world)
    await world.until(() => [alice, bob, cyd].every((page) => inRoom(page)))
    const told = clientPeer(world, cyd).getTransceivers()[1]?.sender.getParameters().encodings.map(({ rid, active, scaleResolutionDownBy }) => `${rid} ${active ? scaleResolutionDownBy : 'off'}`)
    expect(told).toEqual(sizes)
    // Who wants a size that there is not gets the largest.
    world.conferences.want('Cyd', ['h'])
    const largest = sizes.filter((size) => !size.endsWith('off')).at(-1)?.[0]
    const active = () => clientPeer(world, cyd).getTransceivers()[1]?.sender.getParameters().encodings.filter((encoding) => encoding.active).map(({ rid }) => rid)
    await world.until(() => active()?.length === 1, active)
    expect(active()).toEqual([largest])
  })

  test('and heard: the voices stay the same streams, and a muted microphone sends nothing', async () => {
    const { world, alice, bob } = await three()
    const { voices } = alice.client.commands.streams()
    expect(voices.length).toBe(8)
    bob.client.commands.setMuted(true)
    await world.until(() => room(alice).members[1]?.sending.microphone === false)
    expect(clientPeer(world, bob).getTransceivers()[0]?.sender.track).toBeNull()
    alice.reload()
    await world.until(() => inRoom(alice))
    expect(alice.client.commands.streams().voices.length).toBe(8)
  })
})

test('a screen goes into a section of its own, and on when the room becomes a call of two', async () => {
  const { world, alice, bob, cyd } = await three()
  await bob.client.commands.shareScreen()
  await world.until(() => room(alice).members[1]?.sending.screen === true)
  expect(room(bob).sharingScreen).toBe(true)
  expect(clientPeer(world, bob).getTransceivers()[2]?.sender.track).toMatchObject({ kind: 'video' })
  cyd.client.commands.hangUp()
  await world.until(() => isDirect(alice) && isDirect(bob), calls([alice, bob]))
  expect(bob.model.call).toMatchObject({ sharingScreen: true })
  await world.until(() => alice.model.call.kind === 'running' && alice.model.call.remote.screen)
})

describe('what is written', () => {
  test('reaches everybody once, with a name', async () => {
    const { world, alice, bob, cyd } = await three()
    alice.client.commands.say(`hello ${'x'.repeat(2_000)}`)
    await world.until(() => room(cyd).messages.length === 2 && room(bob).messages.length === 2)
    expect(room(cyd).messages.map(({ from, text }) => [from, text.length])).toEqual([['Alice', 2_000], ['Alice', 6]])
    expect(room(alice).messages.every(({ mine, delivered }) => mine && delivered)).toBe(true)
  })

  test('goes beside how good everybody finds their path, which is forgotten of who leaves', async () => {
    const { world, alice, bob, cyd } = await three()
    const say = (page: Page, verdict: unknown) => clientPeer(world, page).channels[0]?.send(new TextEncoder().encode(JSON.stringify({ type: 'quality', verdict })))
    say(bob, 'poor')
    say(cyd, 'fair')
    await world.until(() => Object.keys(room(alice).qualities).length === 2)
    expect(room(alice).qualities).toEqual({ [room(bob).you]: 'poor', [room(cyd).you]: 'fair' })
    for (const verdict of ['perfect', 3, null, undefined]) say(bob, verdict)
    say(bob, 'good')
    await world.until(() => room(alice).qualities[room(bob).you] === 'good')
    cyd.client.commands.hangUp()
    await world.until(() => room(alice).members.length === 2)
    expect(room(alice).qualities).toEqual({ [room(bob).you]: 'good' })
  })

  test('is told to who comes later, once, also when the first who is asked says nothing', async () => {
    const { world, alice, bob, cyd } = await three()
    for (const [page, text] of [[alice, 'one'], [bob, 'two'], [cyd, 'three']] as const) {
      page.client.commands.say(text)
      await world.until(() => [alice, bob, cyd].every((it) => room(it).messages.some((message) => message.text === text)))
    }
    const texts = (page: Page) => room(page).messages.map(({ mine, from, text }) => `${mine ? 'me' : from}: ${text}`)
    world.conferences.tamper = (bytes, from) => (from === 'Alice' ? null : bytes)
    const dan = await world.person('Dan')
    dan.client.commands.meet('garden')
    await world.until(() => inRoom(dan, 4) && room(dan).messages.length === 3, calls([dan]))
    expect(texts(dan)).toEqual(['Alice: one', 'Bob: two', 'Cyd: three'])
    world.conferences.tamper = null
    await world.pass(10_000)
    dan.client.commands.say('four')
    // A page loaded anew is told again, and doubles nothing.
    cyd.reload()
    await world.until(() => inRoom(cyd, 4) && room(cyd).messages.length === 4, calls([cyd]))
    await world.pass(10_000)
    expect(texts(cyd)).toEqual(['Alice: one', 'Bob: two', 'me: three', 'Dan: four'])
    expect(texts(alice)).toEqual(['me: one', 'Bob: two', 'Cyd: three', 'Dan: four'])
  })

  test('before somebody comes is told in a message that the server takes, and nothing else is taken for it', async () => {
    const { world, alice, bob, cyd } = await three()
    for (let line = 0; line < 40; line++) alice.client.commands.say(`${line} ${'é\n'.repeat(500)}`)
    await world.until(() => room(bob).messages.length === 40)
    const dan = await world.person('Dan')
    dan.client.commands.meet('garden')
    await world.until(() => inRoom(dan, 4) && room(dan).messages.length > 3, calls([dan]))
    expect(Math.max(...world.conferences.forwarded.map(({ length }) => length))).toBeLessThan(16_384)
    expect(room(dan).messages.at(-1)?.text.slice(0, 2)).toBe('39')
    const before = room(bob).messages
    const tell = (message: object) => clientPeer(world, bob).channels[0]?.onmessage?.({ data: Uint8Array.from([0, 0, 0, room(cyd).you, ...new TextEncoder().encode(JSON.stringify(message))]).buffer })
    const said = { member: 1, id: 'x', from: 'Alice', text: 'never', at: 1 }
    for (const message of [{ type: 'history', to: room(bob).you, said: [said] }, { type: 'history', to: 99, said: [said] }, { type: 'history', said: 3 }, { type: 'history-ask' }]) tell(message)
    await world.pass(5_000)
    expect(room(bob).messages).toEqual(before)
  })

  test('while there is no path goes when there is one, and what may be lost goes again', async () => {
    const { world, alice, bob } = await three()
    alice.client.commands.say('doubtful')
    alice.reload()
    await world.until(() => alice.model.server.kind === 'online')
    alice.client.commands.say('waiting')
    expect(room(alice).messages.at(-1)).toMatchObject({ delivered: false })
    await world.until(() => inRoom(alice) && room(alice).messages.every(({ delivered }) => delivered))
    await world.pass(1_000)
    expect(room(bob).messages.map(({ text }) => text)).toContain('waiting')
    expect(new Set(room(bob).messages.map(({ id }) => id)).size).toBe(room(bob).messages.length)
  })

  test.each<[string, Uint8Array<ArrayBuffer>]>([
    ['nothing', new Uint8Array(0)], ['a number alone', new Uint8Array(4)], ['no UTF-8', Uint8Array.of(0, 0, 0, 2, 0xff)], ['no JSON', new TextEncoder().encode('0000{')],
    ['no chat', new TextEncoder().encode('0000{"type":"x"}')], ['null', new TextEncoder().encode('0000null')], ['no text', new TextEncoder().encode('0000{"type":"chat","id":"a","text":"","at":1}')],
    ['too long', new TextEncoder().encode(`0000{"type":"chat","id":"a","text":"${'x'.repeat(2_001)}","at":1}`)], ['no time', new TextEncoder().encode('0000{"type":"chat","id":"a","text":"a","at":"1"}')],
  ])('%s is dropped', async (_, bytes) => {
    const { world, alice, bob } = await three()
    const channel = clientPeer(world, alice).channels[0]
    channel?.onmessage?.({ data: bytes.buffer })
    channel?.onmessage?.({ data: 'text' })
    bob.client.commands.say('real')
    await world.until(() => room(alice).messages.length > 0)
    expect(room(alice).messages.map(({ text }) => text)).toEqual(['real'])
  })
})

describe('what is decided', () => {
  test('a hand goes up and down, and a feeling fades', async () => {
    const { world, alice, bob } = await three()
    bob.client.commands.raiseHand(true)
    await world.until(() => room(alice).members[1]?.hand === true)
    bob.client.commands.raiseHand(false)
    await world.until(() => room(alice).members[1]?.hand === false)
    bob.client.commands.react('👏')
    await world.until(() => room(alice).reactions.length === 1)
    expect([room(alice).reactions, room(bob).reactions]).toMatchObject([[{ member: 2, reaction: '👏' }], [{ member: 2, reaction: '👏' }]])
    await world.pass(6_000)
    expect([room(alice).reactions, room(bob).reactions]).toEqual([[], []])
  })

  test('the owner mutes somebody, who can unmute', async () => {
    const { world, alice, bob } = await three()
    alice.client.commands.moderate({ kind: 'mute', member: 2 })
    await world.until(() => room(bob).mutedBy !== null)
    expect(room(bob).mutedBy).toBe('Alice')
    expect(bob.model.microphone).toMatchObject({ kind: 'on', muted: true })
    await world.until(() => room(alice).members[1]?.sending.microphone === false)
    bob.client.commands.setMuted(false)
    expect(room(bob).mutedBy).toBeNull()
    await world.until(() => room(alice).members[1]?.sending.microphone === true)
  })

  test('somebody is removed, and the room ended for all', async () => {
    const { world, alice, bob, cyd } = await three()
    alice.client.commands.moderate({ kind: 'remove', member: 3 })
    await world.until(() => kind(cyd) === 'ended')
    expect(cyd.model.call).toMatchObject({ reason: 'removed', room: 'garden' })
    await world.until(() => room(alice).members.length === 2)
    alice.client.commands.moderate({ kind: 'end' })
    await world.until(() => kind(alice) === 'ended' && kind(bob) === 'ended')
    expect(bob.model.call).toMatchObject({ reason: 'closed' })
    await world.pass(1_000)
    expect(world.network.open).toEqual([])
  })

  test('who comes waits in the lobby, is let in or not', async () => {
    const { world, alice, bob, cyd } = await three()
    alice.client.commands.moderate({ kind: 'lobby', on: true })
    await world.until(() => room(cyd).lobby)
    const [dan, eve] = [await world.person('Dan'), await world.person('Eve')]
    for (const page of [dan, eve]) page.client.commands.meet('garden')
    await world.until(() => kind(dan) === 'lobby' && kind(eve) === 'lobby')
    await world.until(() => room(alice).knocking.length === 2)
    expect(room(alice).knocking.map(({ person }) => person.name)).toEqual(['Dan', 'Eve'])
    expect(room(bob).knocking).toEqual([])
    alice.client.commands.moderate({ kind: 'admit', member: 4 })
    alice.client.commands.moderate({ kind: 'deny', member: 5 })
    await world.until(() => inRoom(dan, 4) && kind(eve) === 'ended')
    expect(eve.model.call).toMatchObject({ reason: 'declined', room: 'garden' })
    expect(room(alice).knocking).toEqual([])
  })

  test.each<[string, (world: World, alice: Page) => void, string]>([
    ['locked', (_, alice) => alice.client.commands.moderate({ kind: 'lock', on: true }), 'room-locked'],
    ['full', (world) => { world.conferences.most = 3 }, 'room-full'],
  ])('a room that is %s takes nobody', async (_, close, reason) => {
    const { world, alice } = await three()
    close(world, alice)
    await world.pass(100)
    const dan = await world.person('Dan')
    dan.client.commands.meet('garden')
    await world.until(() => kind(dan) === 'ended')
    expect(dan.model.call).toMatchObject({ reason, room: 'garden' })
  })

  test('who is made an owner comes back as one', async () => {
    const { world, alice, bob } = await three()
    alice.client.commands.moderate({ kind: 'promote', member: 2 })
    await world.until(() => room(bob).members[1]?.role === 'owner')
  })
})
