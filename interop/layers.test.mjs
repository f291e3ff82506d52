/** A page sends AV1 with layers, and whoever watches gets those that suit them: by the dependency descriptors, which no server decodes. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Browser } from './browser/launch.mjs'
import { Person } from './browser/person.mjs'
import { Visavis } from './servers/visavis.mjs'
import { Owner } from './whip/owner.mjs'

/** Three spatial layers of AV1 are encoded in software here, and a sender finds out slowly what its path carries. */
const PATIENCE = 60_000

/** @type {Visavis} */
let server
/** @type {Browser} */
let chromium
/** @type {import('node:http').Server} */
let site
let count = 0

before(async () => {
  server = await Visavis.local()
  chromium = await Browser.launch('chromium')
  site = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<video autoplay muted playsinline></video>'))
  await once(site.listen(0, '127.0.0.1'), 'listening')
})
after(async () => {
  site?.close()
  await chromium?.close()
  await server?.stop()
})

/**
 * A page of another site, with nothing but what browsers have.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} name
 */
async function plain(t, name) {
  const person = await Person.arrive(chromium, name, `${server.url}/`)
  t.after(() => person.leave())
  await person.page.goto(`http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (site.address()).port}/`)
  return person
}

/**
 * Publishes in a scalability mode.
 *
 * @param {Person} person
 * @param {string} whip
 * @param {string} key
 * @param {string} scalabilityMode
 * @param {number} height
 * @param {string} [codec]
 */
async function publish(person, whip, key, scalabilityMode, height, codec = 'AV1') {
  return person.page.evaluate(async (whip, key, scalabilityMode, height, codec) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: height * 16 / 9, height })
    const paint = canvas.getContext('2d')
    let frame = 0
    setInterval(() => {
      if (!paint) return
      frame++
      paint.fillStyle = `hsl(${frame * 3} 80% 50%)`
      paint.fillRect(0, 0, canvas.width, canvas.height)
      for (let at = 0; at < 100; at++) {
        paint.fillStyle = `hsl(${at * 37 + frame * 5} 70% 50%)`
        paint.fillRect((at * 97 + frame * 7) % canvas.width, (at * 53 + frame * 3) % canvas.height, 60, 60)
      }
    }, 100)
    const peer = new RTCPeerConnection()
    const [track] = canvas.captureStream().getTracks()
    if (!track) throw new Error('a canvas has a picture')
    const transceiver = peer.addTransceiver(track, { direction: 'sendonly', sendEncodings: [/** @type {RTCRtpEncodingParameters} */ ({ scalabilityMode, maxBitrate: 1_500_000 })] })
    transceiver.setCodecPreferences((RTCRtpSender.getCapabilities('video')?.codecs ?? []).filter(({ mimeType }) => [`video/${codec}`, 'video/rtx'].includes(mimeType)))
    await peer.setLocalDescription()
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/sdp' }
    const answer = await fetch(whip, { method: 'POST', headers, body: peer.localDescription?.sdp ?? '' })
    const sdp = await answer.text()
    Object.assign(window, { peer })
    await peer.setRemoteDescription({ type: 'answer', sdp })
    return sdp
  }, whip, key, scalabilityMode, height, codec)
}

/**
 * Offers to receive, with dependency descriptors or without.
 *
 * @param {Person} person
 * @param {boolean} described
 */
async function offer(person, described) {
  return person.page.evaluate(async (described) => {
    const peer = new RTCPeerConnection()
    const transceiver = /** @type {any} */ (peer.addTransceiver('video', { direction: 'recvonly' }))
    const extensions = transceiver.getHeaderExtensionsToNegotiate()
    for (const extension of extensions) if (extension.uri.includes('dependency-descriptor')) extension.direction = described ? 'sendrecv' : 'stopped'
    transceiver.setHeaderExtensionsToNegotiate(extensions)
    peer.ontrack = ({ track }) => {
      const video = document.querySelector('video')
      if (video) video.srcObject = new MediaStream([track])
    }
    Object.assign(window, { peer })
    await peer.setLocalDescription()
    return peer.localDescription?.sdp ?? ''
  }, described)
}

/** @param {Person} person @param {string} sdp */
async function answered(person, sdp) {
  await person.page.evaluate((sdp) => /** @type {any} */ (window).peer.setRemoteDescription({ type: 'answer', sdp }), sdp)
}

/** What has come. @param {Person} person @returns {Promise<{ height: number, decoded: number, asked: number, frozen: number }>} */
async function received(person) {
  return person.page.evaluate(async () => {
    const stats = /** @type {any[]} */ ([...(await /** @type {any} */ (window).peer.getStats()).values()])
    const { framesDecoded: decoded = 0, pliCount: asked = 0, totalFreezesDuration: frozen = 0 } = stats.find(({ type }) => type === 'inbound-rtp') ?? {}
    return { height: document.querySelector('video')?.videoHeight ?? 0, decoded, asked, frozen }
  })
}

/**
 * Waits until the picture has a height, and goes on with it: neither end knows at first what its path carries.
 *
 * @param {Person} person
 * @param {number} height
 */
async function sees(person, height) {
  let since = Infinity
  await person.until(`the picture is ${height} high and goes on`, async () => {
    const now = await received(person)
    since = now.height === height ? Math.min(since, now.decoded) : Infinity
    return now.decoded > since + 15
  }, PATIENCE)
}

describe('layers', () => {
  for (const mode of ['L3T3', 'L3T3_KEY']) {
    test(`${mode} of AV1: the size follows the tile, and it goes on all the while`, async (t) => {
      const name = `layers-${++count}`
      const owner = await Owner.of(server.url, name)
      t.after(() => owner.leave())
      const sender = await plain(t, 'Sender')
      const answer = await publish(sender, `${server.url}/whip/${name}?name=Stage`, await owner.key(name, 'publish'), mode, 720)
      assert.match(answer, /a=extmap:\d+ \S*dependency-descriptor/)
      const { member } = await owner.hears('member', ({ member }) => member.kind === 'encoder' && member.sending.camera)
      const { call } = await owner.hears('conference')

      // Somebody in the room, whose tile has several sizes.
      const viewer = await plain(t, 'Viewer')
      owner.say({ type: 'description', call, description: { type: 'offer', sdp: await offer(viewer, true) } })
      const { description } = await owner.hears('description')
      assert.match(description.sdp, /a=extmap:\d+ \S*dependency-descriptor/)
      await answered(viewer, description.sdp)
      const show = (/** @type {number} */ height) => owner.say({ type: 'layout', call, slots: [{ member: member.number, source: 'camera', height }] })
      for (const height of [720, 180, 360, 720, 180]) {
        show(height)
        await sees(viewer, height)
      }
      const { asked, frozen } = await received(viewer)
      assert.equal(asked, 0, 'it could decode all that came')
      assert(frozen < 5, `it stood still for ${frozen} s`)

      // The page that watches takes them, and is shown all that there is.
      owner.moderate({ kind: 'watching', on: true })
      await owner.hears('settings', ({ watching }) => watching)
      const watcher = await Person.arrive(chromium, 'Watcher', `${server.url}/watch/${name}`)
      t.after(() => watcher.leave())
      const height = () => watcher.page.evaluate(() => [...document.querySelectorAll('video')].find(({ videoHeight }) => videoHeight > 0)?.videoHeight)
      await watcher.until('the largest pictures arrive', async () => (await height()) === 720, PATIENCE)

      // A player that takes no descriptors: the smallest pictures are all that it can put together.
      const player = await plain(t, 'Player')
      const sdp = await offer(player, false)
      const whep = await player.page.evaluate(async (whep, body) => (await fetch(whep, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body })).text(), `${server.url}/whep/${name}`, sdp)
      assert.doesNotMatch(whep, /dependency-descriptor/)
      await answered(player, whep)
      await sees(player, 180)
      assert.equal((await received(player)).asked, 0)
    })
  }

  for (const codec of ['AV1', 'VP9']) {
    test(`what an encoder sends is recorded, the largest pictures of ${codec}`, async (t) => {
      const name = `layers-${++count}`
      const owner = await Owner.of(server.url, name)
      t.after(() => owner.leave())
      const sender = await plain(t, 'Sender')
      await publish(sender, `${server.url}/whip/${name}?name=Stage`, await owner.key(name, 'publish'), 'L3T3', 720, codec)
      await owner.hears('member', ({ member }) => member.kind === 'encoder' && member.sending.camera)
      // Until the path is known, the smaller pictures are all that is sent.
      const largest = () => sender.page.evaluate(async () => {
        const stats = /** @type {any[]} */ ([...(await /** @type {any} */ (window).peer.getStats()).values()])
        return stats.find(({ type }) => type === 'outbound-rtp')?.frameHeight
      })
      await sender.until('the largest pictures are sent', async () => await largest() === 720, PATIENCE)
      owner.moderate({ kind: 'record', on: true })
      const { recording } = await owner.hears('recording', ({ recording }) => recording?.bytes > 300_000)
      owner.moderate({ kind: 'record', on: false })
      await owner.hears('recording', ({ recording }) => recording === null)
      const folder = path.join(server.folder, 'recordings', recording.id)
      const [file] = readdirSync(folder).filter((file) => file.endsWith('.webm'))
      assert(file)
      const probe = ['-v', 'error', '-select_streams', 'v', '-show_entries', 'frame=height', '-of', 'csv=p=0', path.join(folder, file)]
      const heights = execFileSync('ffprobe', probe, { encoding: 'utf8' }).trim().split('\n').map(Number)
      assert(heights.filter((height) => height === 720).length > 10, heights.join(' '))
      assert.equal(heights.at(-1), 720)
    })
  }

  test('a slot goes from one who sends AV1 to another and back', async (t) => {
    const name = `layers-${++count}`
    const owner = await Owner.of(server.url, name)
    t.after(() => owner.leave())
    const first = await owner.key(name, 'publish')
    // Whoever comes with the same key takes the same place.
    owner.say({ type: 'key', room: name, door: 'publish' })
    const { key: second } = await owner.hears('key', ({ key }) => key !== first)
    /** @type {[string, string, number][]} */
    const stages = [['One', 'L1T3', 180], ['Other', 'L2T2_KEY', 360]]
    for (const [at, [stage, mode, height]] of stages.entries()) await publish(await plain(t, stage), `${server.url}/whip/${name}?name=${stage}`, at === 0 ? first : second, mode, height)
    const who = stages.map(([stage]) => owner.hears('member', ({ member }) => member.person.name === stage && member.sending.camera))
    const numbers = (await Promise.all(who)).map(({ member }) => member.number)
    const { call } = await owner.hears('conference')
    const viewer = await plain(t, 'Viewer')
    owner.say({ type: 'description', call, description: { type: 'offer', sdp: await offer(viewer, true) } })
    await answered(viewer, (await owner.hears('description')).description.sdp)
    for (const at of [0, 1, 0, 1, 0]) {
      owner.say({ type: 'layout', call, slots: [{ member: numbers[at], source: 'camera', height: 720 }] })
      await sees(viewer, at === 0 ? 180 : 360)
    }
    assert.equal((await received(viewer)).asked, 0, 'it could decode all that came')
  })
})
