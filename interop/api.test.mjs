/**
 * An application and the people it sends links to: it sets a lecture up over HTTP, its people come in real browsers, and it
 * is told what happens. Every answer and every event is held against the server's own OpenAPI document, and every
 * signature is checked by the library of the specification that it follows.
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { Webhook } from 'standardwebhooks'
import { Browser } from './browser/launch.mjs'
import { Person } from './browser/person.mjs'
import { Visavis } from './servers/visavis.mjs'

const SECRET = 'c0ffee00c0ffee00c0ffee00c0ffee00'
const WIDE = { width: 1280, height: 800 }
const PHONE = { width: 390, height: 844 }

const folder = mkdtempSync(path.join(tmpdir(), 'visavis-api-'))
/** @type {Visavis} */
let server
/** @type {Browser} */
let chromium
/** @type {any} */
let document
const ajv = new Ajv2020({ strict: false, formats: { uint: true, uint8: true, uint16: true, uint32: true, uint64: true, int64: true } })

/** What came to the application, in order. @type {any[]} */
const events = []
const hook = http.createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray()).toString()
  try {
    const headers = /** @type {Record<string, string>} */ (request.headers)
    events.push(new Webhook(Buffer.from(SECRET).toString('base64')).verify(body, headers))
    response.writeHead(204).end()
  } catch (error) {
    events.push({ type: String(error) })
    response.writeHead(400).end()
  }
})

before(async () => {
  const keys = path.join(folder, 'keys')
  writeFileSync(keys, `shop.${SECRET}\n`, { mode: 0o600 })
  hook.listen(0, '127.0.0.1')
  await once(hook, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (hook.address())
  server = await Visavis.local(['--api-keys', keys, '--webhook', `http://127.0.0.1:${port}/`, '--webhook-key', 'shop', '--webhook-allow', '127.0.0.0/8', '--recording-free', '1M'])
  chromium = await Browser.launch('chromium')
  document = await (await fetch(`${server.url}/api/v1/openapi.json`)).json()
  ajv.addSchema(document, 'api')
})
after(async () => {
  await chromium?.close()
  await server?.stop()
  hook.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Where in the document a schema stands. @param {string[]} steps */
const place = (...steps) => `api#/${steps.map((step) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`

/** @param {string} reference @param {unknown} value */
function fits(reference, value) {
  const validate = ajv.getSchema(reference)
  assert.ok(validate, `the document has nothing at ${reference}`)
  assert.ok(validate(value), `${reference}: ${JSON.stringify(validate.errors)} in ${JSON.stringify(value)}`)
}

/**
 * Asks the server as the application; the answer has to be one that the document describes.
 *
 * @param {string} method
 * @param {string} template as in the document
 * @param {Record<string, string | number>} [names] for the template
 * @param {unknown} [body]
 */
async function ask(method, template, names = {}, body) {
  const real = template.replace(/\{(\w+)\}/g, (_, name) => String(names[name]))
  const response = await fetch(`${server.url}/api/v1${real}`, {
    method, headers: { authorization: `Bearer shop.${SECRET}`, 'content-type': 'application/json' }, ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const described = document.paths[template][method.toLowerCase()].responses[response.status]
  assert.ok(described, `${method} ${template} answers ${response.status}, which is not in the document: ${text}`)
  const kind = (response.headers.get('content-type') ?? '').split(';')[0] ?? ''
  if (!described.content) assert.equal(text, '')
  else fits(place('paths', template, method.toLowerCase(), 'responses', String(response.status), 'content', kind, 'schema'), JSON.parse(text))
  return { status: response.status, body: text === '' ? null : JSON.parse(text) }
}

/** A token as an application signs it itself. @param {object} claims */
function sign(claims) {
  const text = [{ alg: 'HS256', typ: 'JWT' }, { iss: 'shop', room: 'physics', name: 'Chloé', ...claims }].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
}

/** @param {import('node:test').TestContext} t @param {string} name @param {string} link @param {import('./browser/person.mjs').Choices} [choices] */
async function arrive(t, name, link, choices = {}) {
  const person = await Person.arrive(chromium, name, link, choices)
  t.after(() => person.leave())
  return person
}

describe('an application', () => {
  test('gives a lecture', async (t) => {
    const room = { room: 'physics' }
    const made = await ask('POST', '/rooms', {}, { ...room, settings: { title: 'Physics for poets', role: 'attendee', entry: 'token' } })
    assert.equal(made.status, 201)
    const token = async (/** @type {object} */ body) => (await ask('POST', '/rooms/{room}/tokens', room, body)).body
    const [forAda, forBruno] = [await token({ name: 'Ada', role: 'owner', subject: 'teacher' }), await token({ name: 'Bruno', role: 'attendee', subject: 'pupil' })]
    const ada = await arrive(t, 'Ada', forAda.link, { hue: 0 })
    const bruno = await arrive(t, 'Bruno', forBruno.link, { hue: 120 })
    const member = async (/** @type {number} */ number) => (await ask('GET', '/rooms/{room}/members/{number}', { ...room, number })).body

    await t.test('two come by their links, one as owner and one to listen', async () => {
      await ada.reads('You come in as Ada')
      assert.equal(await ada.page.evaluate(() => location.href), `${server.url}/r/physics`, 'the token is out of the address')
      assert.equal(await ada.page.$('[data-name-field]'), null, 'nobody asks for a name')
      await ada.press('Join')
      await ada.reads('Physics for poets')
      await bruno.press('Join')
      await bruno.seesAll([ada])
      await bruno.reads('You are listening')
      assert.deepEqual([await bruno.has('Mute'), await ada.has('Mute')], [false, true])
      await bruno.screenshot('api-attendee')
      await bruno.page.setViewport(PHONE)
      await bruno.screenshot('api-attendee-phone')
      await bruno.page.setViewport(WIDE)
      const { subject, sending, role } = await member(2)
      assert.deepEqual({ subject, sending, role }, { subject: 'pupil', sending: { microphone: false, camera: false, screen: false }, role: 'attendee' })
    })

    await t.test('who raises a hand is given the floor, and turns the microphone and the camera on without a reload', async () => {
      await bruno.press('Raise hand')
      await bruno.reads('Your hand is up')
      await bruno.until('the application sees the hand', async () => (await member(2)).hand)
      await ask('PATCH', '/rooms/{room}/members/{number}', { ...room, number: 2 }, { role: 'presenter', hand: false })
      await bruno.reads('You have the floor')
      assert.deepEqual((await member(2)).sending, { microphone: false, camera: false, screen: false }, 'nothing is sent unasked')
      for (const [button, pressed] of /** @type {const} */ ([['Mute', false], ['Camera', true]])) {
        await bruno.press(button)
        await bruno.stands(button, pressed)
      }
      await ada.seesAll([bruno])
      assert.equal((await member(2)).sending.microphone, true)
      await bruno.screenshot('api-floor')
    })

    await t.test('a reload leads back without the token in the address', async () => {
      await bruno.page.reload({ waitUntil: 'domcontentloaded' })
      await bruno.seesAll([ada])
      const { subject, role, name } = await member(2)
      assert.deepEqual({ subject, role, name }, { subject: 'pupil', role: 'presenter', name: 'Bruno' })
    })

    await t.test('it renames, mutes and removes', async () => {
      await ask('PATCH', '/rooms/{room}/members/{number}', { ...room, number: 2 }, { name: 'Bruno B.' })
      await ada.until('the new name is on the tile', () => ada.page.evaluate(() => document.body.innerText.includes('Bruno B.')))
      await ask('POST', '/rooms/{room}/mute', room)
      await bruno.reads('A moderator muted you')
      await ask('DELETE', '/rooms/{room}/members/{number}', { ...room, number: 2 })
      await bruno.says('removed')
      assert.equal((await ask('GET', '/rooms/{room}/members', room)).body.members.length, 1)
    })

    await t.test('it records the lecture, fetches the recording and deletes it', async () => {
      const { id } = (await ask('PUT', '/rooms/{room}/recording', room)).body
      const recording = { recording: id }
      const listed = async () => (await ask('GET', '/recordings')).body.recordings[0]
      await ada.until('something is written', async () => (await listed())?.files[0]?.bytes > 0)
      assert.equal((await ask('DELETE', '/recordings/{recording}', recording)).status, 409)
      await ask('DELETE', '/rooms/{room}/recording', room)
      await ada.until('it is finished', async () => (await listed()).state === 'finished')
      const { body } = await ask('GET', '/recordings/{recording}', recording)
      assert.deepEqual([body.id, body.room, body.files.length, body.files[0].person], [id, 'physics', 1, 'Ada'])
      const file = await (await fetch(body.files[0].link)).arrayBuffer()
      assert.equal(file.byteLength, body.files[0].bytes)
      assert.equal((await ask('DELETE', '/recordings/{recording}', recording)).status, 204)
      assert.equal((await ask('GET', '/recordings/{recording}', recording)).status, 404)
      assert.equal((await fetch(body.files[0].link)).status, 404)
    })

    await t.test('it ends the lecture and was told of everything in order', async () => {
      await ask('DELETE', '/rooms/{room}', room)
      await ada.says('over for everyone')
      await ada.until('the last event has come', () => events.some(({ type }) => type === 'room.deleted'))
      assert.deepEqual(events.map(({ type, member: who, reason }) => [type, who?.subject, who?.role, reason].filter(Boolean).join(' ')), [
        'room.started', 'member.joined teacher owner', 'member.joined pupil attendee', 'member.hand pupil attendee', 'member.role pupil presenter',
        'member.hand pupil presenter', 'member.left pupil presenter removed', 'recording.started', 'recording.finished', 'member.left teacher owner closed', 'room.ended closed', 'room.deleted ended',
      ])
      for (const event of events) fits(place('webhooks', event.type, 'post', 'requestBody', 'content', 'application/json', 'schema'), event)
      assert.equal((await ask('GET', '/rooms/{room}', room)).status, 404)
    })
  })

  test('has a lobby', async (t) => {
    const room = { room: 'surgery' }
    await ask('POST', '/rooms', {}, { ...room, settings: { entry: 'lobby' } })
    const dora = await arrive(t, 'Dora', `${server.url}/r/surgery`)
    await dora.introduce()
    await dora.press('Join')
    const waiting = async () => (await ask('GET', '/rooms/{room}/lobby', room)).body.waiting
    await dora.until('she waits', async () => (await waiting()).length === 1)
    const [{ number, name }] = await waiting()
    assert.equal(name, 'Dora')
    await ask('POST', '/rooms/{room}/lobby/{number}/admit', { ...room, number })
    await dora.until('she is in', async () => (await ask('GET', '/rooms/{room}/members', room)).body.members.length === 1)
    assert.equal((await ask('GET', '/rooms?limit=1'.split('?')[0] ?? '')).body.rooms[0].room, 'surgery')
    assert.equal((await ask('GET', '/status')).body.conferences, 1)
    await ask('DELETE', '/rooms/{room}', room)
    await dora.says('over for everyone')
  })

  test('a link that does not let anybody in says so, in the language of whoever opened it', async (t) => {
    const now = Math.floor(Date.now() / 1000)
    await ask('POST', '/rooms', {}, { room: 'physics', settings: { entry: 'token' } })
    for (const [kind, fragment, language, title, advice] of /** @type {const} */ ([
      ['expired', `#token=${sign({ exp: now - 60 })}`, 'fr', 'Ce lien n’est plus valable', 'demandez-en un nouveau'],
      ['wrong', '#token=abc', 'en', 'This link is not valid', 'ask for a new one'],
      ['early', `#token=${sign({ exp: now + 7200, nbf: now + 3600 })}`, 'en', 'It is too early for this link', 'ask for a new one'],
    ])) {
      const person = await arrive(t, kind, `${server.url}/r/physics${fragment}`, { language })
      await person.until(`the page says '${title}'`, () => person.page.evaluate((wanted) => document.querySelector('h1')?.textContent === wanted, title))
      await person.reads(advice)
      await person.screenshot(`api-${kind}`)
      await person.page.setViewport(PHONE)
      await person.screenshot(`api-${kind}-phone`)
      await person.leave()
    }
    const guest = await arrive(t, 'Guest', `${server.url}/r/physics`)
    await guest.introduce()
    await guest.press('Join')
    await guest.reads('This link alone does not let you in')
    await guest.screenshot('api-needs-token')
  })
})
