/** End-to-end encrypted rooms in real browsers, through our server, which forwards what it cannot decode. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { smallCamera } from './browser/colour.mjs'
import { syllables } from './browser/files.mjs'
import { Browser } from './browser/launch.mjs'
import { Person, SMALL_WINDOW } from './browser/person.mjs'
import { Visavis } from './servers/visavis.mjs'

/** The colours that people's cameras film. */
const HUES = { Ada: 0, Bruno: 120, Chloé: 240, Dana: 60 }
/** The keys in two links. */
const KEY = 'q2hX0mV1aYw2m8r4xJo1kA'
const OTHER_KEY = 'AAAAAAAAAAAAAAAAAAAAAA'
/** Nobody may be missed for longer when keys change, ms, beside what is missed on this machine anyhow. */
const GAP_MOST = 1000
/** For how long nothing may be seen by somebody who must not see, ms. */
const DARK_FOR = 4000

const folder = mkdtempSync(path.join(tmpdir(), 'visavis-e2ee-'))
/** @type {Visavis} */
let server
/** @type {Browser} */
let chromium

before(async () => {
  server = await Visavis.local(['--sessions-per-address', '1000', '--connections-per-address', '1000'])
  chromium = await Browser.launch('chromium', { media: { audio: syllables(folder) } })
})
after(async () => {
  await chromium?.close()
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
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
  const person = await Person.arrive(browser, `${name} ${count}`, url, { viewport: SMALL_WINDOW, ...(browser.kind === 'chromium' ? { hue: HUES[name] } : { before: smallCamera }), ...(before ? { before } : {}) })
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

/** Runs in the page: its receivers hand to the decoder what the server sends, as it is. */
function withoutDecryption() {
  Object.defineProperty(RTCRtpReceiver.prototype, 'transform', { get: () => null, set: () => {} })
}

/** Runs in the page: a browser without encoded transforms. */
function withoutTransforms() {
  Reflect.deleteProperty(window, 'RTCRtpScriptTransform')
  Reflect.deleteProperty(RTCRtpSender.prototype, 'createEncodedStreams')
}

/**
 * What the decoders of a page make of the pictures that come: how many frames came, and how much of a picture has the colour
 * of somebody's camera at most, 0 to 1.
 *
 * @param {Person} person
 * @param {number[]} hues
 */
function decoded(person, hues) {
  return person.page.evaluate(async (wanted) => {
    const connections = /** @type {any} */ (window).interop.connections.filter((/** @type {RTCPeerConnection} */ { connectionState }) => connectionState === 'connected')
    const receivers = connections.flatMap((/** @type {RTCPeerConnection} */ peer) => peer.getReceivers()).filter((/** @type {RTCRtpReceiver} */ { track }) => track.kind === 'video')
    let [frames, share] = [0, 0]
    for (const receiver of receivers) {
      const stats = [...(await receiver.getStats()).values()].find(({ type }) => type === 'inbound-rtp')
      frames += stats?.framesReceived ?? 0
      if (!stats?.framesDecoded) continue
      const video = document.createElement('video')
      video.muted = true
      video.srcObject = new MediaStream([receiver.track])
      await Promise.race([video.play(), new Promise((resolve) => setTimeout(resolve, 1000))])
      const canvas = new OffscreenCanvas(32, 24)
      const context = canvas.getContext('2d')
      if (!context) continue
      for (let look = 0; look < 5; look++) {
        context.drawImage(video, 0, 0, 32, 24)
        const { data } = context.getImageData(0, 0, 32, 24)
        for (const hue of wanted) {
          let alike = 0
          for (let i = 0; i < data.length; i += 4) {
            const [r = 0, g = 0, b = 0] = data.subarray(i, i + 3)
            const most = Math.max(r, g, b)
            const spread = most - Math.min(r, g, b)
            if (spread < 60) continue
            const turn = (60 * (most === r ? (g - b) / spread + 6 : most === g ? (b - r) / spread + 2 : (r - g) / spread + 4)) % 360
            if (Math.min(Math.abs(turn - hue), 360 - Math.abs(turn - hue)) < 20) alike++
          }
          share = Math.max(share, alike / (data.length / 4))
        }
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
      video.srcObject = null
    }
    return { frames, share }
  }, hues)
}

describe('an encrypted room of three in Chromium', () => {
  test('all see each other and know it', async (t) => {
    count++
    const [ada, bruno, chloe] = [await arrive(t, 'Ada'), await arrive(t, 'Bruno'), await arrive(t, 'Chloé')]
    const all = [ada, bruno, chloe]
    await meet(ada, bruno)
    await chloe.press('Join')
    await everybodySees(all)

    /** @type {string} */
    let code = ''
    await t.test('pictures and sound arrive, and the code is the same with all', async () => {
      await Promise.all(all.map((person) => person.hears()))
      code = await theSameCode(all)
      assert.match(code, /^(\d{4} ){4}\d{4}$/)
      await ada.until('both are verified', async () => (await trust(ada, bruno)) === 'Encrypted and verified' && (await trust(ada, chloe)) === 'Encrypted and verified')
      await ada.screenshot('room-encrypted')
    })

    await t.test('what is written and felt arrives', async () => {
      for (const person of all) await person.press('Close')
      await chloe.press('Chat')
      await chloe.type('Message', 'Hello you two')
      await chloe.page.keyboard.press('Enter')
      await bruno.press('Chat')
      await bruno.reads('Hello you two')
      for (const person of [bruno, chloe]) await person.press('Close')
    })

    await t.test('the server goes on choosing sizes and telling who speaks', async () => {
      await ada.page.setViewport({ width: 520, height: 420 })
      await ada.until('a small picture arrives', async () => { const height = await ada.receives(bruno); return height > 0 && height <= 180 })
      await ada.page.setViewport(SMALL_WINDOW)
      await ada.turn('Keep ' + bruno.name + ' large', true)
      await ada.until('a large picture arrives', async () => (await ada.receives(bruno)) >= 360)
      await ada.turn('Keep ' + bruno.name + ' large', false)
      await ada.seesAll([bruno, chloe])
      await chloe.press('Mute')
      await ada.until('Bruno speaks, and Chloé does not', () => ada.page.evaluate((names) => {
        const speaks = (/** @type {string | undefined} */ name) => [...document.querySelectorAll('.seat')].find((seat) => seat.querySelector('video')?.ariaLabel === name)?.classList.contains('speaking')
        return speaks(names[0]) === true && speaks(names[1]) === false
      }, [bruno.name, chloe.name]))
      await chloe.press('Mute')
    })

    await t.test('a page that is loaded anew gets its keys anew', async () => {
      await bruno.page.reload({ waitUntil: 'domcontentloaded' })
      await everybodySees(all)
      assert.notEqual(await theSameCode(all), code)
    })

    await t.test('who stays sees the others without a gap when somebody is removed', async () => {
      code = await safetyCode(ada)
      await Promise.all([ada.watches(bruno), bruno.watches(ada)])
      const longest = async () => Math.max(...await Promise.all([ada.longestGap(bruno), bruno.longestGap(ada)]))
      const before = await longest()
      await Promise.all([ada.watches(bruno), bruno.watches(ada)])
      await ada.press(`Manage ${chloe.name}`)
      await ada.press('Remove')
      await ada.press(`Really remove ${chloe.name}?`)
      await chloe.says('You were removed from the meeting')
      // The new keys come into use in this time.
      await ada.until('the code is another, without her', async () => ![code, ''].includes(await safetyCode(ada)) && (await safetyCode(ada)) === (await safetyCode(bruno)))
      const gap = Math.max(await longest(), await longest()) - before
      t.diagnostic(`the longest gap, less the one before: ${gap} ms`)
      assert(gap < GAP_MOST, `${gap} ms`)
      await Promise.all([ada.seesAll([bruno]), bruno.seesAll([ada])])
    })
    assert.deepEqual(all.flatMap(({ complaints }) => complaints), [])
  })

  test('what the server forwards shows nothing to who does not decrypt it', async (t) => {
    count++
    const [ada, bruno, chloe] = [await arrive(t, 'Ada'), await arrive(t, 'Bruno'), await arrive(t, 'Chloé', { before: withoutDecryption })]
    await meet(ada, bruno)
    await chloe.press('Join')
    await Promise.all([ada.seesAll([bruno, chloe]), bruno.seesAll([ada, chloe])])
    await chloe.until('frames come to the one who cannot decrypt them', async () => (await decoded(chloe, [])).frames > 50)
    const seen = await decoded(chloe, [HUES.Ada, HUES.Bruno])
    const shown = await decoded(ada, [HUES.Bruno, HUES.Chloé])
    t.diagnostic(`how much of a picture has its colour: ${JSON.stringify({ undecrypted: seen, decrypted: shown })}`)
    assert(shown.share > 0.6, JSON.stringify(shown))
    assert(seen.share < 0.4, JSON.stringify(seen))
    await seesNobody(chloe, [ada, bruno])
  })

  test('who has another key sees nobody, and is told', async (t) => {
    count++
    const [ada, bruno, dana] = [await arrive(t, 'Ada'), await arrive(t, 'Bruno'), await arrive(t, 'Dana', { key: OTHER_KEY })]
    await meet(ada, bruno)
    await dana.press('Join')
    await Promise.all([ada, bruno, dana].map((person) => person.says('In a meeting with')))
    await Promise.all([ada.seesAll([bruno]), bruno.seesAll([ada])])
    await dana.reads('Cannot be decrypted')
    await ada.reads('Cannot be decrypted')
    await seesNobody(dana, [ada, bruno])
    await seesNobody(ada, [dana])
    for (const person of [ada, dana]) await person.press('People')
    assert.deepEqual([await trust(ada, bruno), await trust(ada, dana), await trust(dana, ada)], ['Encrypted and verified', 'Cannot be decrypted', 'Cannot be decrypted'])
    await dana.screenshot('room-other-key')
  })
})

test('an encrypted room of Chromium and Firefox', async (t) => {
  count++
  const firefox = await Browser.launch('firefox')
  t.after(() => firefox.close())
  const [ada, bruno, chloe] = [await arrive(t, 'Ada'), await arrive(t, 'Bruno', { browser: firefox }), await arrive(t, 'Chloé')]
  const all = [ada, bruno, chloe]
  await meet(ada, chloe)
  await bruno.press('Join')
  await everybodySees(all)
  await Promise.all(all.map((person) => person.hears()))
  await theSameCode(all)
  await bruno.leave()
})

test('who cannot come in is told why', async (t) => {
  count++
  const ada = await arrive(t, 'Ada')
  await ada.press('Join')
  await ada.says('Waiting for the other one')
  const bruno = await arrive(t, 'Bruno', { key: null })
  await bruno.press('Join')
  await bruno.says('This meeting is end-to-end encrypted')
  await bruno.leave()
  const chloe = await arrive(t, 'Chloé', { before: withoutTransforms })
  await chloe.press('Join')
  await chloe.says('This browser cannot enter encrypted meetings')
  assert(await ada.status().then((line) => line.includes('Waiting')))
})

test('an encrypted room begins with a switch, which is remembered', async (t) => {
  const ada = await Person.arrive(chromium, 'Ada', `${server.url}/`, { hue: HUES.Ada })
  t.after(() => ada.leave())
  await ada.introduce()
  const box = await ada.page.waitForSelector('aria/End-to-end encrypted room[role="switch"]')
  await box?.click()
  await ada.press('New meeting')
  await ada.until('the address holds a key', async () => /\/r\/[a-z0-9-]{14}#k=[\w-]{22}$/.test(ada.page.url()))
  await ada.reads('the key is in this link')
  await ada.page.goto(`${server.url}/`, { waitUntil: 'domcontentloaded' })
  await ada.until('the switch stands as before', () => ada.page.evaluate(() => document.querySelector('.encrypted-choice input')?.matches(':checked') ?? false))
})
