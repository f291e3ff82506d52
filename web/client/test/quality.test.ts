/** The numbers of a real call between the two browsers (test/vectors), and the boundaries of the verdict. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { quality, UNKNOWN, verdict, type Snapshot, type Stat } from '../src/quality.js'

function recorded(browser: string): [Snapshot, Snapshot] {
  return JSON.parse(readFileSync(new URL(`vectors/stats-${browser}.json`, import.meta.url), 'utf8')).looks
}

/** The same looks with something changed in the second. */
function changed(browser: string, type: string, change: (stat: Stat) => object): [Snapshot, Snapshot] {
  const [before, now] = recorded(browser)
  return [before, { ...now, stats: now.stats.map((stat) => (stat.type === type ? { ...stat, ...change(stat) } : stat)) }]
}

test.each([
  ['chromium', { width: 1280, height: 720, framesPerSecond: 30 }],
  ['firefox', { width: 480, height: 270, framesPerSecond: 10 }],
])('a call as %s sees it', (browser, picture) => {
  const [before, now] = recorded(browser)
  const it = quality(before, now)
  expect(it).toMatchObject({ verdict: 'good', route: 'direct', protocol: 'udp', lossIn: 0, lossOut: 0, audioCodec: 'opus', videoCodec: 'VP8', ...picture })
  expect(it.bitrateIn).toBeGreaterThan(50_000)
  expect(it.bitrateOut).toBeGreaterThan(50_000)
  expect(it.roundTrip).toBeLessThan(0.1)
})

test.each(['chromium', 'firefox'])('the first look of %s gives no verdict', (browser) => {
  expect(quality(null, recorded(browser)[1])).toMatchObject({ verdict: 'unknown', route: 'direct', bitrateIn: 0 })
})

test('without a pair nothing is known', () => {
  expect(quality(null, { at: 1, stats: [] })).toEqual(UNKNOWN)
})

test.each(['chromium', 'firefox'])('a relay is seen, and how it is reached (%s)', (browser) => {
  const [before, now] = changed(browser, 'local-candidate', () => ({ candidateType: 'relay', relayProtocol: 'tls' }))
  expect(quality(before, now)).toMatchObject({ route: 'relayed', protocol: 'udp via tls' })
  const [before2, now2] = changed(browser, 'remote-candidate', () => ({ candidateType: 'relay' }))
  expect(quality(before2, now2)).toMatchObject({ route: 'relayed', protocol: 'udp' })
})

test.each(['chromium', 'firefox'])('loss counts over the interval alone (%s)', (browser) => {
  const [before, now] = recorded(browser)
  const received = (look: Snapshot) => look.stats.filter(({ type }) => type === 'inbound-rtp').reduce((sum, stat) => sum + Number(stat['packetsReceived'] ?? 0), 0)
  const grown = received(now) - received(before)
  const lossy = changed(browser, 'inbound-rtp', (stat) => (stat['kind'] === 'audio' ? { packetsLost: grown } : {}))
  expect(quality(...lossy).lossIn).toBeCloseTo(0.5, 5)
  expect(quality(...lossy).verdict).toBe('poor')
  const late = changed(browser, 'inbound-rtp', () => ({ packetsLost: -3 }))
  expect(quality(...late).lossIn).toBe(0)
  const out = changed(browser, 'remote-inbound-rtp', () => ({ fractionLost: 0.05 }))
  expect(quality(...out)).toMatchObject({ lossOut: 0.05, verdict: 'fair' })
})

test('junk in place of numbers is no number', () => {
  const [before, now] = changed('chromium', 'candidate-pair', () => ({ currentRoundTripTime: 'soon', bytesReceived: NaN }))
  const it = quality(before, now)
  expect(it.bitrateIn).toBe(0)
  expect(it.roundTrip).toBeLessThan(0.1)
})

describe('the verdict', () => {
  test.each([
    [0, null, 'good'], [0.02, 0.2, 'good'], [0.0201, 0.2, 'fair'], [0.02, 0.201, 'fair'],
    [0.08, 0.6, 'fair'], [0.0801, 0, 'poor'], [0, 0.601, 'poor'],
  ] as const)('of loss %f and round trip %s is %s', (loss, roundTrip, expected) => {
    expect(verdict(loss, roundTrip)).toBe(expected)
  })
})
