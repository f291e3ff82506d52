/** Eight Chromium pages and a Firefox in one room, at five pictures a second each, so that a small machine can paint them all. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Browser } from './browser/launch.mjs'
import { Person } from './browser/person.mjs'
import { Visavis } from './servers/visavis.mjs'

const NAMES = ['Ada', 'Bruno', 'Chloé', 'Dana', 'Emil', 'Farah', 'Gregor', 'Hana']
/** Pictures a second. */
const RATE = 5
const WIDE = { width: 1280, height: 800 }
const PHONE = { width: 390, height: 844 }
/** Nine pages on two cores: how long they may take, ms. */
const PATIENCE = 60_000

/** @type {Visavis} */
let server
/** @type {Browser} */
let chromium

before(async () => {
  server = await Visavis.local(['--sessions-per-address', '1000', '--connections-per-address', '1000'])
  chromium = await Browser.launch('chromium', { media: { rate: RATE } })
})
after(async () => {
  await chromium?.close()
  await server?.stop()
})

/**
 * @param {import('node:test').TestContext} t
 * @param {string} name
 * @param {Browser} browser
 */
async function join(t, name, browser) {
  const person = await Person.arrive(browser, name, `${server.url}/r/crowd`)
  t.after(() => person.leave())
  await person.introduce()
  await person.press('Join')
  return person
}

/** The labels of the pictures that move on somebody's screen. @param {Person} person */
async function moving(person) {
  const before = new Map((await person.pictures()).map(({ label, currentTime }) => [label, currentTime]))
  return (await person.pictures()).filter(({ label, currentTime, brightness }) => currentTime > (before.get(label) ?? Infinity) && brightness > 10).map(({ label }) => label)
}

/** Waits until somebody has seen each of the others move. @param {Person} person @param {Person[]} all */
async function sees(person, all) {
  const missing = new Set(all.filter((other) => other !== person).map(({ name }) => name))
  await person.until(`all ${missing.size} others move`, async () => {
    for (const name of await moving(person)) missing.delete(name)
    return missing.size === 0
  }, PATIENCE)
}

test('eight pages and a Firefox see and hear each other', async (t) => {
  /** @type {Person[]} */
  const all = []
  for (const name of NAMES) all.push(await join(t, name, chromium))
  const [ada, bruno] = all
  assert(ada && bruno)
  for (const person of all) await sees(person, all)
  for (const person of all) await person.hears()
  await ada.screenshot('crowd')

  await t.test('small tiles are sent small pictures', async () => {
    await ada.until('no picture is higher than 360 lines', async () => {
      const heights = await Promise.all(all.slice(1).map((other) => ada.receives(other)))
      return heights.every((height) => height > 0 && height <= 360)
    }, PATIENCE)
  })

  await t.test('on a phone there are as many as have room, and the others can be reached', async () => {
    await ada.page.setViewport(PHONE)
    await ada.until('somebody moves', async () => (await moving(ada)).length > 0, PATIENCE)
    await ada.screenshot('crowd-phone')
    await ada.page.setViewport(WIDE)
    await sees(ada, all)
  })

  await t.test('a Firefox comes, and sees and is seen', async (t) => {
    const firefox = await Browser.launch('firefox')
    t.after(() => firefox.close())
    const ines = await join(t, 'Ines', firefox)
    await sees(ines, [...all, ines])
    await sees(bruno, [...all, ines])
    await ines.leave()
  })

  await t.test('who leaves is gone, and the others go on', async () => {
    const rest = all.slice(1)
    await ada.press('Hang up')
    await bruno.until('Ada is gone', async () => !(await bruno.pictures()).some(({ label }) => label === ada.name))
    for (const person of rest) await sees(person, rest)
  })
})
