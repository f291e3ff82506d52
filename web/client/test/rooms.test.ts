/** Rooms: a third person joins, and leaves; every frame as the breaking point; what is seen, heard and decided. */
import { describe, expect, test } from 'vitest'
import { assign } from '../src/arrange.js'
import type { Tile } from '../src/model.js'
import { fakeDevices } from './fakes.js'
import { calls, clientPeer, couple, inRoom, isDirect, kind, room, sees, showAll, third, three } from './meeting.js'
import { World, type Fault, type Page } from './world.js'

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

  test('everybody knows that the room is recorded, and who comes later', async () => {
    const { world, alice, cyd } = await three()
    alice.client.commands.moderate({ kind: 'record', on: true })
    await world.until(() => room(cyd).recording?.by.name === 'Alice')
    const dan = await world.person('Dan')
    dan.client.commands.meet('garden')
    await world.until(() => inRoom(dan, 4))
    expect(room(dan).recording?.by.name).toBe('Alice')
    alice.client.commands.moderate({ kind: 'record', on: false })
    await world.until(() => room(dan).recording === null && room(cyd).recording === null)
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
