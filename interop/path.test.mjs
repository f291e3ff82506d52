/** What packets a path carries: a file between two homes over one that drops long packets and tells nobody. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { randomFile } from './browser/files.mjs'
import { issue } from './browser/trust.mjs'
import { Lab, SERVER } from './lab/lab.mjs'
import { needRoot } from './lab/privilege.mjs'
import { Command } from './servers/command.mjs'
import { Visavis, program } from './servers/visavis.mjs'

needRoot()

const NAME = 'visavis.test'

/** @type {Lab} */
let lab
/** @type {Visavis} */
let server
/** @type {import('./browser/trust.mjs').Identity} */
let identity

before(async () => {
  lab = Lab.up({ homes: { ada: 'full-cone', bruno: 'port-restricted' }, names: { [NAME]: SERVER } })
  identity = issue(lab.folder, [NAME], [SERVER])
  server = await Visavis.inLab(lab, identity, NAME)
  // A size is only given up after three probes, a second each: there is to be a transfer for as long.
  lab.shape('ada', '40mbit')
})
after(async () => {
  await server?.stop()
  lab?.down()
})

/** @param {import('node:test').TestContext} t @param {string} host @param {string[]} argv */
function start(t, host, argv) {
  const child = lab.spawn(host, [program(), ...argv, '--json', '--server', server.url, '--ca', identity.ca], { stdio: ['ignore', 'pipe', 'inherit'] })
  return new Command(t, child)
}

/**
 * Ada sends a file and Bruno takes it.
 *
 * @param {import('node:test').TestContext} t
 * @param {number} size
 * @param {() => Promise<void>} [meanwhile]
 */
async function transfer(t, size, meanwhile) {
  const into = mkdtempSync(path.join(tmpdir(), 'visavis-into-'))
  t.after(() => rmSync(into, { recursive: true, force: true }))
  const file = randomFile(t, size)
  const sender = start(t, 'ada', ['send', file.path])
  const { code } = await sender.until('code')
  const receiver = start(t, 'bruno', ['receive', code, '--yes', '--into', into])
  await meanwhile?.()
  assert.deepEqual([await sender.exit, await receiver.exit], [0, 0])
  assert.equal(createHash('sha256').update(readFileSync(path.join(into, file.name))).digest('hex'), file.sha256)
}

describe('a path that silently drops long packets', () => {
  test('is given the longest that it carries', async (t) => {
    lab.narrow('ada', 1400)
    await transfer(t, 40 << 20)
    const { dropped, large } = lab.passed('ada')
    t.diagnostic(`${dropped} dropped, ${large} passed that are longer than 1280`)
    assert(dropped > 0 && dropped < 20, `only probes are dropped: ${dropped}`)
    assert(large > 3000, `packets are longer than at first: ${large}`)
  })

  test('in the midst of a transfer, holds it up for a moment', async (t) => {
    lab.narrow('ada', 1500)
    await transfer(t, 20 << 20, async () => {
      while (lab.passed('ada').large < 2000) await new Promise((resolve) => setImmediate(resolve))
      lab.narrow('ada', 1300)
    })
    assert(lab.passed('ada').dropped > 0, 'it became narrow while long packets were on their way')
  })
})
