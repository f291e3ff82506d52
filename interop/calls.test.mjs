/** People call each other in real browsers, over the loopback, through our server. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Browser } from './browser/launch.mjs'
import { Person } from './browser/person.mjs'
import { firstFrames, rung } from './browser/timing.mjs'
import { randomFile } from './browser/files.mjs'
import { Visavis } from './servers/visavis.mjs'

/** Long enough for any test to answer, short enough to wait for. */
const RING = 8

/** How long a person may take to answer, in milliseconds. */
const LONG = 15_000

/** How many calls the distribution of times is taken from. */
const CALLS = 10

const PHONE = { width: 390, height: 844 }

/** A server that runs already, to try tests by hand. */
const GIVEN = process.env['INTEROP_URL']

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
  await Promise.all([a.sees(b), b.sees(a), a.hears(), b.hears()])
}

/** @param {Person} who @param {Person} other */
async function hangUp(who, other) {
  if (await who.has('Close')) await who.press('Close')
  await who.press('Hang up')
  await Promise.all([who.says('The call has ended'), other.says('The call has ended')])
}

/** The safety code in the details, once it is there. @param {Person} person */
async function safetyCode(person) {
  await person.press('More')
  await person.press('Call details')
  let code = ''
  await person.until('the safety code is to be read', async () => {
    const text = await person.page.evaluate(() => document.body.innerText)
    code = /\b\d{4}(?: \d{4}){4}\b/.exec(text.replace(/\s+/g, ' '))?.[0] ?? ''
    return code !== ''
  })
  return code
}

describe('a call between Chromium and Chromium', () => {
  test('by name: see and hear each other, hang up', async (t) => {
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

  test('has the same safety code on both sides, and a direct path', async (t) => {
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

  test('by a link to a person', async (t) => {
    const bruno = await arrive(t, chromium, `Bruno ${++count}`)
    await bruno.introduce()
    const ada = await arrive(t, chromium, `Ada ${count}`, { path: `/c/${encodeURIComponent(bruno.name)}` })
    await ada.reads(`Call ${bruno.name}?`)
    await ada.screenshot('link')
    await ada.introduce()
    await ada.press('Call')
    await bruno.says(`${ada.name} is calling you`)
    await bruno.press('Accept')
    await together(ada, bruno)
    await hangUp(ada, bruno)
  })

  test('by a link to a meeting', async (t) => {
    const { ada, bruno } = await two(t, [chromium, chromium], { 0: { path: `/r/room-${count}` }, 1: { path: `/r/room-${count}`, viewport: PHONE } })
    await ada.press('Join')
    await ada.says('Waiting for the other one')
    await ada.screenshot('waiting')
    await bruno.press('Join')
    await together(ada, bruno)
    await bruno.screenshot('running-phone')
    await hangUp(bruno, ada)
  })
})

describe('a call that does not come about', () => {
  test('because it is declined', async (t) => {
    const { ada, bruno } = await two(t)
    await ada.call(bruno.name)
    await bruno.says('is calling you')
    await bruno.press('Decline')
    await ada.says(`${bruno.name} can’t talk right now`)
    await ada.screenshot('declined')
  })

  test('because the caller gives up', async (t) => {
    const { ada, bruno } = await two(t)
    await ada.call(bruno.name)
    await bruno.says('is calling you')
    await ada.press('Hang up')
    await bruno.says('The call was given up before it was answered')
    assert.equal(await bruno.has('Accept'), false)
  })

  test('because the other is in another call', async (t) => {
    const { ada, bruno } = await two(t)
    const chloe = await arrive(t, chromium, `Chloé ${count}`)
    await chloe.introduce()
    await connect(ada, bruno)
    await chloe.call(bruno.name)
    await chloe.says(`${bruno.name} is in another call`)
    await chloe.screenshot('busy')
    await bruno.says(`In a call with ${ada.name}`)
    await hangUp(ada, bruno)
  })

  test('because nobody answers', async (t) => {
    const { ada, bruno } = await two(t)
    await ada.call(bruno.name)
    await bruno.says('is calling you')
    await ada.until('the ringing ends', async () => (await ada.status()).includes(`${bruno.name} did not answer`), (RING + 10) * 1000)
    assert.equal(await bruno.has('Accept'), false)
  })

  test('because nobody of that name is here', async (t) => {
    const ada = await arrive(t, chromium, `Ada ${++count}`)
    await ada.introduce()
    await ada.call('Nobody at all')
    await ada.says('Nobody at all is not here now')
    assert(await ada.has('Copy link'))
  })
})

describe('a camera or a microphone that is missing', () => {
  test('the camera is not allowed: the page says so, and the other hears', async (t) => {
    const { ada, bruno } = await two(t, [chromium, chromium], { 0: { allow: ['microphone'] } })
    await ada.press('Camera')
    await ada.reads('The camera is not allowed')
    await ada.screenshot('denied-camera')
    await connect(ada, bruno)
    await Promise.all([ada.sees(bruno), ada.hears(), bruno.hears(), bruno.reads(`${ada.name}’s camera is off`)])
    await hangUp(ada, bruno)
  })

  test('neither is allowed: the page says so, and the call is possible', async (t) => {
    const { ada, bruno } = await two(t, [chromium, chromium], { 0: { allow: [] } })
    await ada.turnOn()
    await ada.reads('Camera and microphone are not allowed')
    await connect(ada, bruno)
    await Promise.all([ada.sees(bruno), ada.hears(), bruno.reads(`${ada.name}’s microphone is off`)])
    await hangUp(ada, bruno)
  })

  test('there is no camera', async (t) => {
    const without = await Browser.launch('chromium', { media: { camera: false } })
    t.after(() => without.close())
    const { ada, bruno } = await two(t, [without, chromium])
    await ada.turnOn()
    await ada.reads('No camera found')
    await ada.screenshot('no-camera')
    await connect(bruno, ada)
    await Promise.all([ada.sees(bruno), ada.hears(), bruno.hears()])
    await hangUp(ada, bruno)
    await ada.leave()
  })
})

describe('during a call', () => {
  test('muting and the camera are seen by the other', async (t) => {
    const { ada, bruno } = await two(t)
    await connect(ada, bruno)
    await together(ada, bruno)
    await bruno.press('Mute')
    await Promise.all([bruno.stands('Mute', true), ada.reads(`${bruno.name}’s microphone is off`)])
    await bruno.press('Camera')
    await Promise.all([bruno.stands('Camera', false), ada.reads(`${bruno.name}’s camera is off`)])
    await ada.screenshot('camera-off')
    await bruno.press('Camera')
    await bruno.press('Mute')
    await Promise.all([ada.sees(bruno), ada.hears()])
    await hangUp(ada, bruno)
  })

  test('the screen is shared', async (t) => {
    const { ada, bruno } = await two(t)
    await connect(ada, bruno)
    await together(ada, bruno)
    await ada.press('Share screen')
    await ada.stands('Share screen', true)
    await bruno.until('the screen plays', () => bruno.page.evaluate((label) => {
      const video = [...document.querySelectorAll('video')].find(({ ariaLabel }) => ariaLabel === label)
      return video !== undefined && video.videoWidth > 0 && video.currentTime > 0
    }, `${ada.name}’s screen`))
    await bruno.screenshot('screen')
    await ada.press('Share screen')
    await bruno.until('the screen is gone', () => bruno.page.evaluate((label) => ![...document.querySelectorAll('video')].some(({ ariaLabel }) => ariaLabel === label), `${ada.name}’s screen`))
    await bruno.sees(ada)
    await hangUp(ada, bruno)
  })

  test('every control can be reached while the chat or the details are open', async (t) => {
    const { ada, bruno } = await two(t)
    await connect(ada, bruno)
    await ada.press('Chat')
    for (const name of ['Mute', 'Mute', 'Camera', 'Camera', 'Chat', 'More']) await ada.press(name)
    await ada.press('Call details')
    await ada.press('Hang up')
    await bruno.says('The call has ended')
  })

  test('messages go both ways', async (t) => {
    const { ada, bruno } = await two(t)
    await connect(ada, bruno)
    for (const [from, to, text] of /** @type {const} */ ([[ada, bruno, 'Are you well?'], [bruno, ada, 'Très bien ! <b>&amp;</b> 🎉']])) {
      if (!(await from.page.$('aria/Message[role="textbox"]'))) await from.press('Chat')
      await from.type('Message', text)
      await from.page.keyboard.press('Enter')
      if (!(await to.page.$('aria/Message[role="textbox"]'))) await to.press('Chat')
      await to.reads(text)
      await from.until('it is delivered', () => from.page.evaluate(() => document.querySelector('[role="log"]')?.textContent?.includes('delivered') ?? false))
    }
    await ada.screenshot('chat')
    await hangUp(ada, bruno)
  })

  test('a file arrives unchanged', async (t) => {
    const { ada, bruno } = await two(t)
    await connect(ada, bruno)
    const file = randomFile(t, 8 << 20)
    await ada.send(file.path)
    await bruno.press('Take it')
    const received = await bruno.received(file.name)
    assert.deepEqual(received, { size: file.size, sha256: file.sha256 })
    await ada.reads('Complete and verified')
    await bruno.screenshot('file')
    await hangUp(ada, bruno)
  })

  test('one reloads the page, and the call goes on', async (t) => {
    const { ada, bruno } = await two(t)
    await connect(ada, bruno)
    await together(ada, bruno)
    await bruno.page.reload({ waitUntil: 'domcontentloaded' })
    await bruno.says(`In a call with ${ada.name}`)
    await together(ada, bruno)
    await hangUp(bruno, ada)
  })

  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGKILL'])) {
    test(`the server is restarted (${signal}): the media goes on, and hanging up reaches the other`, { skip: GIVEN ? 'needs a server of its own' : false }, async (t) => {
      const { ada, bruno } = await two(t)
      await connect(ada, bruno)
      await together(ada, bruno)
      await server.halt(signal)
      await Promise.all([ada.reads('Your call goes on.'), bruno.reads('Your call goes on.')])
      await together(ada, bruno)
      await ada.screenshot(`server-away-${signal}`)
      await server.start()
      const back = (/** @type {Person} */ person) => person.until('the server is back', async () => !(await person.page.evaluate(() => document.body.innerText.includes('The server is out of reach'))))
      await Promise.all([back(ada), back(bruno)])
      await together(ada, bruno)
      await hangUp(ada, bruno)
      await bruno.press('Done')
      await ada.press('Done')
      await connect(bruno, ada)
      await hangUp(bruno, ada)
    })
  }
})

test('who rests after a space while typing a name goes on after it', async (t) => {
  const anne = await arrive(t, chromium, 'Anne Marie')
  await anne.page.focus('[data-name-field]')
  await anne.page.keyboard.type('Anne ')
  await anne.says('Ready')
  await anne.page.keyboard.type('Marie')
  assert.equal(await anne.page.$eval('[data-name-field]', (field) => /** @type {HTMLInputElement} */ (field).value), 'Anne Marie')
})

test('the page speaks French', async (t) => {
  const ada = await arrive(t, chromium, 'Zoé', { language: 'fr' })
  const bruno = await arrive(t, chromium, `Bruno ${++count}`)
  await bruno.introduce()
  await ada.type('Votre nom', ada.name)
  await ada.page.keyboard.press('Tab')
  await ada.says('Prêt')
  await ada.screenshot('start-french')
  await ada.type('Personne à appeler', bruno.name)
  await ada.press('Appeler')
  await bruno.press('Accept')
  await ada.says(`En communication avec ${bruno.name}`)
  await together(ada, bruno)
  await ada.press('Raccrocher')
  await bruno.says('The call has ended')
})

test('from Accept to the first picture takes less than two seconds', async (t) => {
  const { ada, bruno } = await two(t)
  /** @type {number[]} */
  const times = []
  for (let n = 0; n < CALLS; n++) {
    const before = await Promise.all([ada, bruno].map((person) => person.marks()))
    await ada.call(bruno.name)
    await bruno.says(`${ada.name} is calling you`)
    await rung([ada, bruno])
    await bruno.press('Accept')
    times.push(await firstFrames([ada, bruno], before))
    await Promise.all([ada.says(`In a call with ${bruno.name}`), bruno.says(`In a call with ${ada.name}`)])
    await hangUp(ada, bruno)
    await Promise.all([ada.press('Done'), bruno.press('Done')])
  }
  const sorted = times.toSorted((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0
  t.diagnostic(`ms from Accept until both see the other, of ${CALLS} calls: ${sorted.join(' ')}; median ${median}`)
  assert(median < 2000, `the median is ${median} ms`)
})

describe('a call that rings for long', () => {
  /** @type {Visavis} */
  let patient
  /** A browser for each, because Firefox paints only the page in front. @type {[Browser, Browser]} */
  let firefoxes
  before(async () => {
    patient = await Visavis.local()
    firefoxes = await Promise.all([Browser.launch('firefox'), Browser.launch('firefox')])
  })
  after(async () => {
    await Promise.all(firefoxes?.map((firefox) => firefox.close()) ?? [])
    await patient?.stop()
  })

  for (const [from, to] of /** @type {const} */ ([['Chromium', 'Chromium'], ['Firefox', 'Chromium'], ['Chromium', 'Firefox'], ['Firefox', 'Firefox']])) {
    test(`from ${from} to ${to}: a path stands over relays alone, nothing is sent on it, and then they see each other directly`, async (t) => {
      const place = { path: patient.url }
      const browsers = [from, to].map((kind, n) => (kind === 'Firefox' && firefoxes[n]) || chromium)
      const { ada, bruno } = await two(t, browsers, { 0: place, 1: place })
      await ada.call(bruno.name)
      await bruno.says(`${ada.name} is calling you`)
      // Firefox gives ICE up after five seconds without candidates.
      const since = Date.now()
      await bruno.until('it has rung for long', async () => Date.now() - since > LONG)
      const [here, there] = await Promise.all([ada, bruno].map((person) => person.page.evaluate(contact)))
      assert(here && there)
      for (const [mine, theirs] of /** @type {const} */ ([[here, there], [there, here]])) {
        assert.deepEqual([mine.states, mine.packets], [['connected'], 0])
        assert.deepEqual(mine.own.filter(({ type }) => type !== 'relay'), [])
        // A check may come before the candidate that it comes from: then that is taken for a reflexive one.
        const relays = mine.others.filter(({ at }) => theirs.own.some((own) => own.at === at))
        assert.deepEqual(mine.others, relays)
        assert(relays.length > 0)
      }
      await bruno.press('Accept')
      const none = { clicks: [], frames: [] }
      t.diagnostic(`${await firstFrames([ada, bruno], [none, none])} ms from Accept until both see the other`)
      await together(ada, bruno)
      for (const person of [ada, bruno]) await person.until('the path is direct', async () => (await person.stats())?.direct === true)
      await hangUp(ada, bruno)
    })
  }
})

/** Runs in a page: the state of its open connections, the candidates that they have, and the packets of media. */
async function contact() {
  /** @type {RTCPeerConnection[]} */
  const connections = Reflect.get(window, 'interop').connections
  const open = connections.filter(({ connectionState }) => connectionState !== 'closed')
  const stats = (await Promise.all(open.map((pc) => pc.getStats()))).flatMap((report) => [...report.values()])
  const candidates = (/** @type {string} */ kind) => stats.filter(({ type }) => type === kind).map(({ candidateType, address, port }) => ({ type: candidateType, at: `${address}:${port}` }))
  return {
    states: open.map(({ connectionState }) => connectionState),
    own: candidates('local-candidate'),
    others: candidates('remote-candidate'),
    packets: stats.reduce((sum, { packetsSent = 0, packetsReceived = 0, type }) => sum + (/-rtp$/.test(type) ? packetsSent + packetsReceived : 0), 0),
  }
}

describe('a call with Firefox', () => {
  /** @type {Browser} */
  let firefox
  before(async () => {
    firefox = await Browser.launch('firefox')
  })
  after(() => firefox?.close())

  for (const caller of /** @type {const} */ (['Firefox', 'Chromium'])) {
    test(`${caller} calls`, async (t) => {
      const { ada, bruno } = await two(t, caller === 'Firefox' ? [firefox, chromium] : [chromium, firefox])
      await connect(ada, bruno)
      await together(ada, bruno)
      const codes = await Promise.all([safetyCode(ada), safetyCode(bruno)])
      assert.equal(codes[0], codes[1])
      await ada.screenshot(`${caller.toLowerCase()}-calls`)
      await hangUp(ada, bruno)
    })
  }

  test('a file goes from Firefox to Chromium and back', async (t) => {
    const { ada, bruno } = await two(t, [firefox, chromium])
    await connect(ada, bruno)
    for (const [from, to] of /** @type {const} */ ([[ada, bruno], [bruno, ada]])) {
      const file = randomFile(t, 2 << 20)
      await from.send(file.path)
      await to.press('Take it')
      assert.deepEqual(await to.received(file.name), { size: file.size, sha256: file.sha256 })
    }
    await hangUp(ada, bruno)
  })
})
