/**
 * Our engine against WebRTC that nobody here wrote: browsers and stacks, each as offerer and as answerer. Prints one
 * table of peer, role and what was tried. A failure that is not known fails the test, and so does a known one that
 * has gone.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { known } from './engine/known.mjs'
import { Pages, Program } from './engine/sides.mjs'
import { Link, STEPS } from './engine/steps.mjs'
import { STACKS, build } from './stacks/stacks.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const OURS = process.env['INTEROP_PEER'] ?? `${ROOT}/target/debug/examples/interop_peer`
const file = (/** @type {string} */ name) => fileURLToPath(new URL(`engine/${name}`, import.meta.url))
/** Where the peers written in Rust are built: they are not of our workspace, but share what both need. */
const RUST = path.join(ROOT, 'target')
const folder = mkdtempSync(path.join(tmpdir(), 'visavis-engine-'))
const missing = Object.fromEntries(STACKS.map(({ name, missing }) => [name, missing]))

/** @typedef {{ side: () => Promise<import('./engine/sides.mjs').Side>, close: () => Promise<void>, carries?: boolean }} Peer where `carries` says that its checks carry DTLS */

/** @param {string} name @param {() => string[]} argv @param {{ sends?: number, least?: number, takes?: number, waits?: boolean }} [limits] @returns {() => Promise<Peer>} */
const program = (name, argv, limits = {}) => async () => {
  const whole = argv()
  return { side: async () => Object.assign(new Program(name, whole), limits), close: async () => {} }
}

/** Builds a peer written in Rust; minutes the first time, with a third of a gigabyte of other people's code. @param {string} name */
function rust(name) {
  const argv = ['build', '--quiet', '--locked', '--manifest-path', file('rust/Cargo.toml'), '--target-dir', RUST, '--bin', name]
  const { status } = spawnSync('cargo', argv, { stdio: 'inherit' })
  assert.equal(status, 0, `the peer ${name} builds`)
  return path.join(RUST, 'debug', name)
}

const TRIALS = ['WebRTC-EnableDtlsPqc', 'WebRTC-DataChannelMessageInterleaving', 'WebRTC-Sctp-Snap', 'WebRTC-IceHandshakeDtls'].map((name) => `${name}/Enabled/`).join('')

const CAMERA = ['--use-fake-ui-for-media-stream', '--autoplay-policy=no-user-gesture-required']

/** @type {Record<string, { start: () => Promise<Peer>, missing?: () => string | false }>} */
const PEERS = {
  Chromium: { start: () => Pages.open('Chromium', 'chromium', CAMERA) },
  'Chromium+': { start: async () => Object.assign(await Pages.open('Chromium+', 'chromium', [...CAMERA, `--force-fieldtrials=${TRIALS}`]), { carries: true }) },
  Firefox: { start: () => Pages.open('Firefox', 'firefox') },
  libwebrtc: { start: program('libwebrtc', () => [process.execPath, file('libwebrtc.mjs')]) },
  // While it takes an answer, its own threads may find the path and complete the handshake before the answer's fingerprint
  // is in force; it then gives up: "Got a remote candidate without ICE transport". So no side has a candidate before.
  libdatachannel: { start: program('libdatachannel', () => [process.execPath, file('libdatachannel.mjs')], { waits: true }) },
  aiortc: { start: program('aiortc', () => ['/usr/bin/python3', file('aiortc_side.py')]), ...missing['aiortc'] && { missing: missing['aiortc'] } },
  // An empty message ends its association if it sends one, and comes as one of each kind if it gets one.
  GStreamer: { start: program('GStreamer', () => ['/usr/bin/python3', file('gstreamer_side.py')], { sends: 65_535, least: 1, takes: 1 }), missing: () => spawnSync('gst-inspect-1.0', ['webrtcbin']).status !== 0 && 'needs the packages of scripts/deps test' },
  // Of an empty message it sends nothing, and yet counts it: the stream stands still from then on.
  str0m: { start: program('str0m', () => [rust('str0m')], { least: 1 }) },
  'webrtc-rs': { start: program('webrtc-rs', () => [rust('webrtc-rs')], { sends: 65_535 }) },
  Pion: { start: program('Pion', () => [build(file('pion'), path.join(folder, 'pion'))], { sends: 65_535 }), ...missing['Pion'] && { missing: missing['Pion'] } },
}

/** @type {Record<string, string>[]} */
const table = []

/** Runs every step; what went wrong, by step. @param {string} name @param {Peer} peer @param {'offers' | 'answers'} role */
async function row(name, peer, role) {
  const expected = known(name, role)
  /** @type {Record<string, string>} */
  const cells = { peer: name, role }
  /** @type {Record<string, string>} */
  const wrong = {}
  /** @type {{ link: Link, bound: string | undefined } | undefined} */
  let current
  for (const [step, { run, bound, begins, ends }] of Object.entries(STEPS)) {
    const began = performance.now()
    try {
      if (current && current.bound !== bound) {
        await current.link.end()
        current = undefined
      }
      if (!current) {
        const ours = new Program('ours', [OURS, ...(bound ? [bound] : [])])
        const link = new Link(ours, await peer.side(), role === 'offers')
        current = { link, bound }
        if (expected[step]) link.hurry()
        const ms = begins ? undefined : await link.connect()
        if (!bound && !begins) {
          const stats = await ours.act('stats')
          cells['open'] ??= `${ms} ms`
          cells['DTLS'] ??= stats.dtls
          // Datagrams of the handshake in checks, sent and received (draft-hancke-webrtc-sped).
          cells['in checks'] ??= stats.carried.join(', ')
          // Once there is a path the rest goes there: on a short one perhaps all that one side has to say.
          assert.equal(stats.carried.some((/** @type {number} */ count) => count > 0), peer.carries ?? false, `DTLS in checks: ${stats.carried}`)
        }
      }
      if (expected[step]) current.link.hurry()
      await run(current.link)
      cells[step] = 'ok'
    } catch (error) {
      wrong[step] = error instanceof Error ? error.message : String(error)
      cells[step] = 'FAILS'
    }
    if (process.env['INTEROP_TIMES']) console.error(`${name} ${role} ${step}: ${Math.round(performance.now() - began)} ms`)
    if (wrong[step] || ends) {
      await current?.link.end()
      current = undefined
    }
  }
  table.push(cells)
  return wrong
}

before(() => {
  const { status } = process.env['INTEROP_PEER'] ? { status: 0 } : spawnSync('cargo', ['build', '--example', 'interop_peer'], { cwd: ROOT, stdio: 'inherit' })
  assert.equal(status, 0, 'our side builds')
})
after(() => {
  rmSync(folder, { recursive: true })
  print()
})

const only = process.env['INTEROP_ONLY']?.split(',')
for (const [name, { start, missing }] of Object.entries(PEERS)) {
  describe(`connecting with ${name}`, { skip: only && !only.includes(name) ? 'not asked for' : missing?.() }, () => {
    /** @type {Peer} */
    let peer
    before(async () => {
      peer = await start()
    })
    after(() => peer?.close())

    for (const role of /** @type {const} */ (['offers', 'answers'])) {
      test(`as the one that ${role}`, { timeout: 120_000 }, async () => {
        const wrong = await row(name, peer, role)
        const expected = known(name, role)
        for (const step of Object.keys(STEPS)) {
          if (expected[step] && wrong[step]) table.at(-1)[step] = 'known'
          else if (expected[step]) table.at(-1)[step] = 'MENDED'
        }
        const news = Object.entries(wrong).filter(([step]) => !expected[step]).map(([step, why]) => `${step}: ${why}`)
        const mended = Object.keys(expected).filter((step) => !wrong[step]).map((step) => `${step} is said to fail (${expected[step]}), but works: take it out of engine/known.mjs`)
        assert.deepEqual([...news, ...mended], [])
      })
    }
  })
}

/** One table of everything, and the reasons under it. */
function print() {
  const columns = ['peer', 'role', 'open', 'DTLS', 'in checks', ...Object.keys(STEPS)]
  const lines = [columns, ...table.map((cells) => columns.map((column) => cells[column] ?? '-'))]
  const widths = columns.map((_, n) => Math.max(...lines.map((line) => line[n]?.length ?? 0)))
  console.log(lines.map((line) => line.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join('  ').trimEnd()).join('\n'))
  console.log('\n`role` is ours. Known failures:')
  for (const { peer, role } of table) {
    for (const [step, why] of Object.entries(known(peer ?? '', /** @type {any} */ (role)))) console.log(`  ${peer}, we ${role?.replace(/s$/, '')}, ${step}: ${why}`)
  }
}
