import type { Call, Capture, Model, ServerLink } from '@visavis/client/model.js'
import { describe, expect, test } from 'vitest'
import { dictionaries, languages, pickLanguage } from '../src/i18n/index.js'
import { browserKind, captureProblem, changesOf, endReason, serverNotice, statusLine } from '../src/state/words.js'
import { states } from './gallery/states.js'

const { en, fr } = dictionaries

describe('dictionaries', () => {
  for (const language of languages) test(`${language} says something for every key, and the same kind of thing`, () => {
    const words = dictionaries[language] as Record<string, unknown>
    expect(Object.keys(words).sort()).toEqual(Object.keys(en).sort())
    for (const [key, value] of Object.entries(words)) {
      const model = en[key as keyof typeof en]
      expect(typeof value, key).toBe(typeof model)
      const said = typeof value === 'function' ? (value as (...given: unknown[]) => unknown)(3, 3) : value
      for (const one of typeof said === 'object' && said !== null ? Object.values(said) : [said]) expect(one, key).toEqual(expect.stringMatching(/\S/))
    }
  })
  test('French is not English', () => {
    const same = Object.keys(en).filter(key => JSON.stringify(en[key as keyof typeof en]) === JSON.stringify(fr[key as keyof typeof fr]) && typeof en[key as keyof typeof en] === 'string')
    expect(same.sort()).toEqual(['codecs', 'message'])
  })
  test.each([[['fr-CA', 'en'], 'fr'], [['de', 'fr'], 'fr'], [['de'], 'en'], [[], 'en'], [['EN-gb'], 'en']] as const)('of %j the page speaks %s', (wanted, chosen) => expect(pickLanguage(wanted)).toBe(chosen))
  test('the names that programs rely on', () => {
    expect([en.yourName, en.personToCall, en.call, en.accept, en.decline, en.hangUp, en.mute, en.camera, en.shareScreen, en.sendFile, en.copyLink, en.message, en.you])
      .toEqual(['Your name', 'Person to call', 'Call', 'Accept', 'Decline', 'Hang up', 'Mute', 'Camera', 'Share screen', 'Send file', 'Copy link', 'Message', 'You'])
  })
})

test('every state of the gallery has a status line in both languages', () => {
  for (const [name, { model }] of Object.entries(states)) for (const language of languages) {
    expect(statusLine(dictionaries[language], model, null, true, null), name).toMatch(/\S/)
  }
})

test('the status line of an idle page says what is missing', () => {
  const idle = (server: ServerLink): Model => ({ ...states['start']!.model, server })
  expect(statusLine(en, idle({ kind: 'offline' }), null, false, null)).toBe(en.stNeedsName)
  expect(statusLine(en, idle({ kind: 'offline' }), null, true, null)).toBe(en.stConnecting)
  expect(statusLine(en, idle({ kind: 'online', draining: false }), null, true, null)).toBe(en.stReady)
  expect(statusLine(en, idle({ kind: 'online', draining: false }), { kind: 'devices' }, true, null)).toBe(en.stDevices)
})

test('why a call is over names the other, or stands in for a name', () => {
  const ended = (reason: Extract<Call, { kind: 'ended' }>['reason'], to: string): string => endReason(en, { kind: 'ended', person: null, to, room: null, key: null, reason, seconds: 0 })
  expect(ended('busy', 'Ada')).toBe('Ada is in another call')
  expect(ended('declined', '')).toContain(en.theOther)
})

describe('who is in a room', () => {
  const room = (state: string) => { const { call } = states[state]!.model; if (call.kind !== 'room') throw new Error(state); return call }
  const line = (state: string, news: string | null = null): string => statusLine(en, { ...states['start']!.model, call: room(state) }, null, true, news)
  test('is said by name as long as they are few', () => {
    expect(line('room-alone')).toBe('You are alone in the meeting')
    expect(line('room-3')).toBe('In a meeting with Ada Lovelace and Grace')
    expect(line('room-4')).toBe('In a meeting with 3 others')
  })
  test('who came and who went is said for a moment, unless there is something graver', () => {
    expect(line('room-4', 'Emil joined.')).toBe('Emil joined.')
    expect(line('room-reconnecting', 'Emil joined.')).toBe(en.stReconnectingRoom)
    const { members } = room('room-7')
    expect(changesOf(en, members.slice(0, 3), members.slice(0, 4))).toBe('Chloé Duval joined.')
    expect(changesOf(en, members.slice(0, 4), members.slice(0, 2))).toBe('Grace and Chloé Duval left.')
    expect(changesOf(en, members.slice(0, 1), members.slice(1))).toBe('6 people joined. Bruno left.')
    expect(changesOf(en, members, members.map(one => ({ ...one, hand: true })))).toBeNull()
    expect(changesOf(fr, members.slice(0, 3), members.slice(0, 4))).toMatch(/Chloé Duval/)
  })
  test('why it is over', () => {
    const over = (reason: Extract<Call, { kind: 'ended' }>['reason']): string => endReason(en, { kind: 'ended', person: null, to: '', room: 'r', key: null, reason, seconds: 9 })
    expect([over('hung-up'), over('declined'), over('removed'), over('closed'), over('room-full'), over('room-locked')])
      .toEqual([en.endLeft, en.endDenied, en.endRemoved, en.endClosed, en.endFull, en.endLocked])
  })
})

describe('capture problems', () => {
  const on: Capture = { kind: 'on', deviceId: '', label: '', muted: false }
  test.each([
    [on, on, null], [{ kind: 'denied' }, { kind: 'denied' }, en.deniedBoth], [{ kind: 'denied' }, on, en.deniedCamera], [on, { kind: 'denied' }, en.deniedMicrophone],
    [{ kind: 'no-device' }, on, en.noDeviceCamera], [on, { kind: 'in-use', detail: '' }, en.inUseMicrophone], [{ kind: 'insecure' }, { kind: 'insecure' }, en.insecure],
    // What a person can do something about comes first.
    [{ kind: 'no-device' }, { kind: 'denied' }, en.deniedMicrophone], [{ kind: 'off' }, { kind: 'off' }, null],
  ] as const)('%j and %j', (camera, microphone, title) => expect(captureProblem(en, camera, microphone, '')?.title ?? null).toBe(title))
  test.each([
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'firefox'],
    ['Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15', 'safari'],
    ['Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36', 'chromium'],
    ['Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/140.0 Mobile Safari/537.36', 'chromium'],
  ])('%s is %s', (agent, kind) => expect(browserKind(agent)).toBe(kind))
})

describe('the bar about the server', () => {
  const notice = (server: ServerLink, inCall = false, online = true): string | null => serverNotice(en, server, inCall, online, 10_000)?.text ?? null
  test('is silent when all is well', () => expect(notice({ kind: 'online', draining: false })).toBeNull())
  test('counts down, rounding up, to the next try', () => {
    expect(notice({ kind: 'reconnecting', attempt: 1, nextTry: 12_001 })).toContain('in 3 s')
    expect(notice({ kind: 'reconnecting', attempt: 1, nextTry: 12_000 })).toContain('in 2 s')
    expect(notice({ kind: 'reconnecting', attempt: 1, nextTry: 9_000 })).toContain('Trying again')
  })
  test('calms a person in a call', () => expect(notice({ kind: 'reconnecting', attempt: 1, nextTry: 0 }, true)).toBe(en.svReconnectingCall))
  test('says first that there is no network', () => expect(notice({ kind: 'online', draining: true }, false, false)).toBe(en.svOffline))
  test('says how to go on after a refusal', () => expect(notice({ kind: 'refused', code: 'name', message: '' })).toBe(en.svRefusedName))
})
