/** End-to-end encrypted rooms in real browsers, through our server, which forwards what it cannot decode. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Browser } from './browser/launch.mjs'
import { Person } from './browser/person.mjs'
import { Visavis } from './servers/visavis.mjs'

/** The colours that people's cameras film. */
const HUES = { Ada: 0, Bruno: 120, Chloé: 240, Dana: 60 }
/** The keys in two links. */
const KEY = 'q2hX0mV1aYw2m8r4xJo1kA'
const OTHER_KEY = 'AAAAAAAAAAAAAAAAAAAAAA'
/** For how long nothing may be seen by somebody who must not see, ms. */
const DARK_FOR = 4000

/** @type {Visavis} */
let server
/** @type {Browser} */
let chromium

before(async () => {
  server = await Visavis.local(['--sessions-per-address', '1000', '--connections-per-address', '1000'])
  chromium = await Browser.launch('chromium')
})
after(async () => {
  await chromium?.close()
  await server?.stop()
})

let count = 0

/**
 * Somebody at the link of this test's room, ready to join.
 *
 * @param {import('node:test').TestContext} t
 * @param {keyof typeof HUES} name
 * @param {{ browser?: Browser, key?: string | null, before?: () => void }} [how]
 */
async function arrive(t, name, { browser = chromium, key = KEY, before } = {}) {
  const url = `${server.url}/r/secret-${count}${key === null ? '' : `#k=${key}`}`
  const person = await Person.arrive(browser, `${name} ${count}`, url, { ...(browser.kind === 'chromium' ? { hue: HUES[name] } : {}), ...(before ? { before } : {}) })
  t.after(() => person.leave())
  await person.introduce()
  return person
}

/** The first two of a room are in a call. @param {Person} a @param {Person} b */
async function meet(a, b) {
  await a.press('Join')
  await a.says('Waiting for the other one')
  await b.press('Join')
  await Promise.all([a.sees(b), b.sees(a)])
}

/** @param {Person[]} all */
async function everybodySees(all) {
  await Promise.all(all.map((person) => person.seesAll(all.filter((other) => other !== person))))
}

/** What the people panel says of somebody's encryption. @param {Person} person @param {Person} other */
function trust(person, other) {
  return person.page.evaluate((name) => {
    const row = [...document.querySelectorAll('.member')].find((one) => one.querySelector('.person-name')?.textContent === name)
    return row?.querySelector('.trust')?.textContent ?? ''
  }, other.name)
}

/** @param {Person} person */
async function safetyCode(person) {
  return person.page.evaluate(() => document.querySelector('.people-panel .code')?.textContent?.trim() ?? '')
}

/** The person does not see those, for a while. @param {Person} person @param {Person[]} others */
async function seesNobody(person, others) {
  const end = Date.now() + DARK_FOR
  while (Date.now() < end) {
    for (const { label, hue, variety, brightness } of await person.pictures()) {
      const other = others.find(({ name }) => name === label)
      assert(!other || other.hue === null || hue !== other.hue || variety < 4 || brightness < 5, `${person.name} sees ${label}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** @param {Person[]} all */
async function theSameCode(all) {
  for (const person of all) if (!(await person.has('Close'))) await person.press('People')
  await all[0]?.until('everybody has the same safety code', async () => {
    const codes = await Promise.all(all.map(safetyCode))
    return codes[0] !== '' && codes.every((code) => code === codes[0])
  })
  return safetyCode(/** @type {Person} */ (all[0]))
}

describe('an encrypted room of three in Chromium', () => {
  test('all see each other, know it, and who is removed does not see what follows', async (t) => {
    count++
    const [ada, bruno, chloe] = [await arrive(t, 'Ada'), await arrive(t, 'Bruno'), await arrive(t, 'Chloé')]
    const all = [ada, bruno, chloe]
    await meet(ada, bruno)
    await chloe.press('Join')
    await everybodySees(all)
    await t.test('pictures and sound arrive, and the code is the same with all', async () => {
      await Promise.all(all.map((person) => person.hears()))
      const code = await theSameCode(all)
      assert.match(code, /^(\d{4} ){4}\d{4}$/)
      await ada.until('both are verified', async () => (await trust(ada, bruno)) === 'Encrypted and verified' && (await trust(ada, chloe)) === 'Encrypted and verified')
      await ada.screenshot('room-encrypted')
    })
  })
})
