import { describe, expect, test } from 'vitest'
import { bitrate, clock, duration, hue, initials, percent, size, timeLeft } from '../src/format.js'

/** Intl puts no-break spaces of several kinds; the tests read them as plain ones. */
const plain = (text: string): string => text.replace(/[\u00a0\u202f]/g, ' ')

test.each([
  [0, '0:00'], [7.9, '0:07'], [59.999, '0:59'], [60, '1:00'], [754, '12:34'], [3599, '59:59'], [3600, '1:00:00'], [3723, '1:02:03'], [-1, '0:00'], [NaN, '0:00'],
])('clock(%d) is %s', (seconds, text) => expect(clock(seconds)).toBe(text))

test.each([
  ['en', 0, '0 sec'], ['en', 59, '59 sec'], ['en', 60, '1 min'], ['en', 185, '3 min 5 sec'], ['en', 3600, '1 hr'], ['en', 7800, '2 hr 10 min'], ['fr', 185, '3 min 5 s'],
])('duration in %s of %d is %s', (lang, seconds, text) => expect(plain(duration(lang, seconds))).toBe(text))

test.each([
  ['en', 0, '0 byte'], ['en', 999, '999 byte'], ['en', 1000, '1 kB'], ['en', 2_340_000, '2.3 MB'], ['en', 999_499, '999 kB'], ['en', 999_500, '1 MB'],
  ['en', 23_400_000_000, '23 GB'], ['fr', 2_340_000, '2,3 Mo'],
])('size in %s of %d is %s', (lang, bytes, text) => expect(plain(size(lang, bytes))).toBe(text))

test.each([
  ['en', 840_400, '840 kbit/s'], ['en', 999_499, '999 kbit/s'], ['en', 999_500, '1 Mbit/s'], ['en', 2_412_000, '2.4 Mbit/s'], ['en', 24_120_000, '24 Mbit/s'], ['fr', 2_412_000, '2,4 Mbit/s'],
])('bitrate in %s of %d is %s', (lang, bits, text) => expect(plain(bitrate(lang, bits))).toBe(text))

test.each([['en', 0, '0%'], ['en', 0.004, '0.4%'], ['en', 0.1, '10%'], ['fr', 0.004, '0,4 %']])('percent in %s of %d is %s', (lang, part, text) => expect(plain(percent(lang, part))).toBe(text))

describe('time left', () => {
  test('is unknown while nothing moves', () => expect(timeLeft(100, 10, 0)).toBeNull())
  test('is what remains at this rate', () => expect(timeLeft(100, 10, 45)).toBe(2))
  test('is never negative', () => expect(timeLeft(100, 120, 10)).toBe(0))
})

test.each([['Ada Lovelace', 'AL'], ['bruno', 'B'], ['', '?'], ['  ', '?'], ['émile zola', 'ÉZ'], ['a_b-c.d', 'AD'], ['👩‍🚀 x', '👩X']])('the initials of “%s” are %s', (name, letters) => expect(initials(name)).toBe(letters))

test('a hue stays with a name and lies on the circle', () => {
  expect(hue('Ada')).toBe(hue('Ada'))
  for (const name of ['', 'Ada', 'Bruno', '日本']) expect(hue(name)).toBeGreaterThanOrEqual(0)
  for (const name of ['', 'Ada', 'Bruno', '日本']) expect(hue(name)).toBeLessThan(360)
  expect(new Set(['Ada', 'Bruno', 'Chloé', 'Dana', 'Emil'].map(hue)).size).toBe(5)
})
