/** People call each other in real browsers, over the loopback, through our server. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Browser } from './browser/launch.mjs'
import { Person } from './browser/person.mjs'
import { Visavis } from './servers/visavis.mjs'

/** Long enough for any test to answer, short enough to wait for. */
const RING = 8

/** A server that runs already, to try tests by hand. */
const GIVEN = process.env['VISAVIS_URL']

/** @type {Visavis} */
let server
/** @type {string} */
let url
/** @type {Browser} */
let chromium

before(async () => {
  if (!GIVEN) server = await Visavis.local(['--ring-timeout', `${RING}s`, '--sessions-per-address', '1000', '--connections-per-address', '1000'])
  url = GIVEN ?? server.url
  chromium = await Browser.launch('chromium')
})
after(async () => {
  await chromium?.close()
  await server?.stop()
})

let count = 0

/**
 * Two people, each at a page and ready, for one test; names differ from test to test because the server remembers.
 *
 * @param {import('node:test').TestContext} t
 * @param {Browser[]} [browsers]
 * @param {{ [index: number]: import('./browser/person.mjs').Choices & { path?: string } }} [choices]
 */
async function two(t, browsers = [chromium, chromium], choices = {}) {
  const n = ++count
  const people = await Promise.all(['Ada', 'Bruno'].map((name, i) => arrive(t, browsers[i] ?? chromium, `${name} ${n}`, choices[i])))
  const [ada, bruno] = people
  assert(ada && bruno)
  await Promise.all([ada.introduce(), bruno.introduce()])
  return { ada, bruno }
}

/**
 * @param {import('node:test').TestContext} t
 * @param {Browser} browser
 * @param {string} name
 * @param {import('./browser/person.mjs').Choices & { path?: string }} [choices]
 */
async function arrive(t, browser, name, { path = '/', ...choices } = {}) {
  const person = await Person.arrive(browser, name, new URL(path, url).href, choices)
  t.after(() => person.leave())
  return person
}

/** @param {Person} caller @param {Person} callee */
async function connect(caller, callee) {
  await caller.call(callee.name)
  await callee.says(`${caller.name} is calling you`)
  await callee.press('Accept')
  await Promise.all([caller.says(`In a call with ${callee.name}`), callee.says(`In a call with ${caller.name}`)])
}

/** Both see and hear each other. @param {Person} a @param {Person} b */
async function together(a, b) {
  await Promise.all([a.sees(b.name), b.sees(a.name), a.hears(), b.hears()])
}

/** @param {Person} who @param {Person} other */
async function hangUp(who, other) {
  await who.press('Hang up')
  await Promise.all([who.says('The call has ended'), other.says('The call has ended')])
}

/** The safety code in the details, once it is there. @param {Person} person */
async function safetyCode(person) {
  await person.press('Call details')
  let code = ''
  await person.until('the safety code is to be read', async () => {
    const text = await person.page.evaluate(() => document.body.innerText)
    code = /\b\d{4}(?: \d{4}){4}\b/.exec(text.replace(/\s+/g, ' '))?.[0] ?? ''
    return code !== ''
  })
  return code
}

describe('Chromium and Chromium', () => {
  test('call by name, see and hear each other, hang up', async (t) => {
    const { ada, bruno } = await two(t)
    await ada.call(bruno.name)
    await bruno.says(`${ada.name} is calling you with video`)
    await ada.says(`It rings at ${bruno.name}’s`)
    await Promise.all([ada.screenshot('outgoing'), bruno.screenshot('incoming')])
    await bruno.press('Accept')
    await Promise.all([ada.says(`In a call with ${bruno.name}`), bruno.says(`In a call with ${ada.name}`)])
    await together(ada, bruno)
    await ada.screenshot('running')
    await hangUp(ada, bruno)
    await bruno.screenshot('ended')
    assert.equal(await ada.stats(), null, 'no connection stays open')
    assert.deepEqual([...ada.complaints, ...bruno.complaints], [])
  })

  test('read the same safety code, and that the path is direct', async (t) => {
    const { ada, bruno } = await two(t)
    await connect(ada, bruno)
    const codes = await Promise.all([safetyCode(ada), safetyCode(bruno)])
    assert.equal(codes[0], codes[1])
    await Promise.all([ada.reads('Direct, from browser to browser'), bruno.reads('Direct, from browser to browser')])
    await ada.screenshot('details')
    const stats = await ada.stats()
    assert.equal(stats?.state, 'connected')
    assert(stats?.local?.type !== 'relay' && stats?.remote?.type !== 'relay')
    await hangUp(bruno, ada)
  })
})
