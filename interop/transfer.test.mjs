/** Files between `visavis send` or `visavis receive` and a page that opens the link. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { randomFile } from './browser/files.mjs'
import { Browser } from './browser/launch.mjs'
import { Person } from './browser/person.mjs'
import { Command } from './servers/command.mjs'
import { Visavis, program } from './servers/visavis.mjs'

/** @type {Visavis} */
let server
/** @type {Browser} */
let chromium

before(async () => {
  server = await Visavis.local()
  chromium = await Browser.launch('chromium')
})
after(async () => {
  await chromium?.close()
  await server?.stop()
})

/** @param {import('node:test').TestContext} t @param {string[]} argv */
function start(t, argv) {
  return new Command(t, spawn(program(), [...argv, '--json', '--server', server.url], { stdio: ['ignore', 'pipe', 'inherit'] }))
}

/** Opens the link and comes in. @param {import('node:test').TestContext} t @param {string} link @param {string} name */
async function open(t, link, name) {
  const person = await Person.arrive(chromium, name, link)
  t.after(() => person.leave())
  await person.introduce()
  return person
}

describe('files between the command line and a page in Chromium', () => {
  test('a page that opens the link gets the file', async (t) => {
    const file = randomFile(t, 20 << 20)
    const command = start(t, ['send', file.path])
    const { link } = await command.until('code')
    const person = await open(t, link, 'Cleo')
    await person.press('Join')
    await person.says('In a call with')
    await person.press('Take it')
    assert.deepEqual(await person.received(file.name), { size: file.size, sha256: file.sha256 })
    await command.until('arrived')
    await person.screenshot('transfer')
    if (await person.has('Close')) await person.press('Close')
    await person.press('Hang up')
    assert.equal(await command.exit, 0)
  })

  test('a page sends a file to the command line', async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'visavis-into-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const file = randomFile(t, 5 << 20)
    const code = 'amber-canoe-violin'
    const person = await open(t, `${server.url}/r/${code}`, 'Dora')
    await person.press('Join')
    const command = start(t, ['receive', code, '--yes', '--into', folder])
    await person.says('In a call with')
    await person.send(file.path)
    await command.until('file')
    const bytes = readFileSync(path.join(folder, file.name))
    assert.equal(createHash('sha256').update(bytes).digest('hex'), file.sha256)
    if (await person.has('Close')) await person.press('Close')
    await person.press('Hang up')
    assert.equal(await command.exit, 0)
  })
})
