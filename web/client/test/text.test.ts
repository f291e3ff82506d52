/** What is read from the other side's text: descriptions, control messages, and the safety code made from them. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Chat, HISTORY_MOST } from '../src/chat.js'
import { parse, TEXT_MOST, type Control } from '../src/control.js'
import type { ChatMessage } from '../src/model.js'
import { fingerprintPair, safetyCode } from '../src/safety.js'
import { concise, fingerprint, takeGeneration, userFragmentOf, userFragments, withGeneration } from '../src/sdp.js'

const AA = Array(32).fill('AA').join(':')
const BB = Array(32).fill('BB').join(':')
const sdp = (...fingerprints: string[]) =>
  `v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n${fingerprints.map((value, index) => `m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:u${index}\r\na=fingerprint:${value}\r\n`).join('')}`

describe('the generation', () => {
  test('is written before the media and taken out again without a trace', () => {
    const marked = withGeneration(sdp(`sha-256 ${AA}`), 7)
    expect(marked.indexOf('a=visavis-generation:7\r\n')).toBe(marked.indexOf('m=audio') - 'a=visavis-generation:7\r\n'.length)
    expect(takeGeneration(marked)).toEqual({ sdp: sdp(`sha-256 ${AA}`), generation: 7 })
  })

  test.each(['', 'v=0\r\n', 'a=visavis-generation:x\r\n', 'a=visavis-generation:99999999999999\r\n'])('is the first for %j', (text) => {
    expect(takeGeneration(text).generation).toBe(1)
  })
})

describe('the fingerprint', () => {
  test.each([
    ['of all sections alike', sdp(`sha-256 ${AA}`, `SHA-256 ${AA.toLowerCase()}`), `sha-256 ${AA}`],
    ['is none when sections differ', sdp(`sha-256 ${AA}`, `sha-256 ${BB}`), null],
    ['is none when there is none', sdp(), null],
  ])('%s', (_, text, expected) => {
    expect(fingerprint(text)).toBe(expected)
  })
})

describe('the safety code', () => {
  const a = sdp(`sha-256 ${AA}`)
  const b = sdp(`sha-256 ${BB}`)

  test('is the same on both sides, and this one', async () => {
    const pair = fingerprintPair(a, b)
    expect(pair).toBe(fingerprintPair(b, a))
    // PBKDF2-HMAC-SHA-256 by node:crypto over the canonical text, as another implementation would.
    const { pbkdf2Sync } = await import('node:crypto')
    const bits = pbkdf2Sync(`sha-256 ${AA}\nsha-256 ${BB}`, 'visavis safety code 1', 200_000, 16, 'sha256')
    const digits = (BigInt(`0x${bits.toString('hex')}`) % 10n ** 20n).toString().padStart(20, '0')
    expect((await safetyCode(pair ?? '')).replaceAll(' ', '')).toBe(digits)
    expect(await safetyCode(pair ?? '')).toBe('3837 0632 0503 1906 6748')
  })

  test('is another with somebody in between', async () => {
    const middle = sdp(`sha-256 ${Array(32).fill('CC').join(':')}`)
    expect(await safetyCode(fingerprintPair(a, middle) ?? '')).not.toBe(await safetyCode(fingerprintPair(middle, b) ?? ''))
  })

  test('is none while a side is unknown', () => {
    expect(fingerprintPair(a, '')).toBeNull()
  })
})

test('a candidate names its generation of ICE', () => {
  expect(userFragments(sdp(`sha-256 ${AA}`, `sha-256 ${AA}`))).toEqual(new Set(['u0', 'u1']))
  expect(userFragmentOf({ candidate: 'candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag abc network-id 1' })).toBe('abc')
  expect(userFragmentOf({ candidate: 'candidate:1 ufrag abc', usernameFragment: 'def' })).toBe('def')
  expect(userFragmentOf({ candidate: 'candidate:1' })).toBeNull()
})

describe('a control message', () => {
  const sending = { camera: true, microphone: false, screen: false }
  const good: Control[] = [
    { type: 'hello', version: 1, page: 'p', sending },
    { type: 'sending', sending },
    { type: 'chat', id: 'a-b_C9', text: 'x', at: 0 },
    { type: 'chat', id: 'a', text: 'x'.repeat(TEXT_MOST), at: 1 },
    { type: 'chat-received', id: 'a' },
    { type: 'file-offer', file: 0, name: 'n', size: 2 ** 40, mime: '' },
    { type: 'file-take', file: 0xffff_ffff, at: 5 },
    { type: 'file-kept', file: 1, at: 5 },
    { type: 'file-done', file: 1 },
    { type: 'file-stop', file: 1, why: 'refused' },
    { type: 'leaving' },
    { type: 'end' },
  ]
  test.each(good)('$type is read as it was written', (message) => {
    expect(parse(JSON.stringify(message))).toEqual(message)
  })

  test.each([
    undefined, new ArrayBuffer(3), '', '{', 'null', '[]', '"end"', '{"type":"unknown"}', '{"type":["end"]}',
    '{"type":"hello","version":1,"page":"p"}', '{"type":"sending","sending":{"camera":1,"microphone":true,"screen":true}}',
    '{"type":"chat","id":"","text":"x","at":0}', '{"type":"chat","id":"a b","text":"x","at":0}', '{"type":"chat","id":"a","text":"","at":0}',
    '{"type":"chat","id":"a","text":"x","at":-1}', '{"type":"chat","id":"a","text":"x","at":1.5}',
    JSON.stringify({ type: 'chat', id: 'a', text: 'x'.repeat(TEXT_MOST + 1), at: 0 }),
    '{"type":"file-take","file":-1,"at":0}', '{"type":"file-take","file":4294967296,"at":0}', '{"type":"file-take","file":1,"at":1e300}',
    '{"type":"file-offer","file":1,"name":"","size":1,"mime":""}', '{"type":"file-stop","file":1,"why":"because"}',
    `{"type":"end","more":"${'x'.repeat(40_000)}"}`,
  ])('%j is none', (data) => {
    expect(parse(data)).toBeNull()
  })
})

describe('an offer for the server', () => {
  const read = (name: string) => readFileSync(new URL(`../../../vectors/sdp/${name}-simulcast-offer.sdp`, import.meta.url), 'utf8').replace(/\r?\n/g, '\r\n')
  const sections = (sdp: string) => sdp.split(/^(?=m=)/m).slice(1)
  test.each(['chromium', 'firefox'])('of %s says less in the sections that only receive, and the same in the others', (browser) => {
    const sending = read(browser)
    expect(concise(sending)).toBe(sending)
    const [head = ''] = sending.split(/^(?=m=)/m)
    const slot = (sections(sending).find((section) => section.startsWith('m=video')) ?? '').replace(/^a=(?:send\w+|inactive)(?=\r)/m, 'a=recvonly').replace(/^a=(?:rid|simulcast|msid|ssrc)[^\n]*\n/gm, '')
    const whole = head + slot + 'a=rtcp-fb:299 nack\r\na=ssrc:1 cname:x\r\n' + sections(sending).join('')
    const told = concise(whole)
    const [first = '', ...others] = sections(told)
    expect(others).toEqual(sections(sending))
    for (const kept of ['ice-ufrag', 'ice-pwd', 'setup', 'mid:', 'recvonly', 'rtcp-mux', 'rtpmap', 'sdes:mid', 'transport-wide-cc']) expect(first).toContain(kept)
    for (const gone of ['a=ssrc', 'rtcp-fb:299', 'playout-delay', 'rtp-stream-id', 'dependency-descriptor']) expect(first).not.toContain(gone)
    expect(first.split('\r\n').every((line) => whole.includes(`${line}\r\n`) || line === '')).toBe(true)
  })
})

describe('the chat', () => {
  function talker(): { chat: Chat; sent: Control[]; shown: () => readonly ChatMessage[] } {
    const sent: Control[] = []
    let shown: readonly ChatMessage[] = []
    const chat = new Chat([], () => 'Bob', (message) => sent.push(message), (messages) => { shown = messages })
    return { chat, sent, shown: () => shown }
  }
  let id = 0
  const newId = () => `id${id++}`

  test('shows a message that came twice once, and confirms it twice', () => {
    const { chat, sent, shown } = talker()
    const message = { type: 'chat', id: 'x', text: 'hello', at: 5 } as const
    chat.take(message)
    chat.take(message)
    expect([shown().length, sent]).toEqual([1, [{ type: 'chat-received', id: 'x' }, { type: 'chat-received', id: 'x' }]])
  })

  test('sends again what was not confirmed, and only that', () => {
    const { chat, sent } = talker()
    chat.say('one', newId, 1)
    chat.say('two', newId, 2)
    const [first] = sent
    if (first?.type !== 'chat') throw new Error('no chat')
    chat.take({ type: 'chat-received', id: first.id })
    sent.length = 0
    chat.resume()
    expect(sent.map((message) => message.type === 'chat' && message.text)).toEqual(['two'])
  })

  test('cuts what is too long between characters, and says nothing for nothing', () => {
    const { chat, sent } = talker()
    chat.say('  ', newId, 1)
    chat.say(`${'x'.repeat(TEXT_MOST - 1)}👋${'y'.repeat(TEXT_MOST)}`, newId, 1)
    const texts = sent.map((message) => (message.type === 'chat' ? message.text : ''))
    expect(texts.map((text) => text.length)).toEqual([TEXT_MOST - 1, TEXT_MOST, 2])
    expect(texts[1]?.startsWith('👋')).toBe(true)
  })

  test('forgets the oldest', () => {
    const { chat, shown } = talker()
    for (let number = 0; number <= HISTORY_MOST; number++) chat.take({ type: 'chat', id: `n${number}`, text: 'x', at: number })
    expect([shown().length, shown()[0]?.id]).toEqual([HISTORY_MOST, 'n1'])
  })
})
