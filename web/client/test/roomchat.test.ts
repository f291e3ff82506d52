/** What members of a room say to each other, and who hears it. */
import { describe, expect, test } from 'vitest'
import { calls, clientPeer, inRoom, room, three } from './meeting.js'
import type { Page } from './world.js'

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
