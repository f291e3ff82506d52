import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Browser, Page } from 'puppeteer-core'
import { launch, model, openPage, startLab, until, type BrowserName, type Lab } from './lab.js'
import type { Model, RunningCall } from '../src/model.js'

const pairs = (process.env['PAIRS'] ?? 'chromium-chromium,chromium-firefox,firefox-chromium').split(',')
  .map((pair) => pair.split('-') as [BrowserName, BrowserName])

const running = (model: Model): RunningCall => {
  if (model.call.kind !== 'running') throw new Error(`the call is ${model.call.kind}`)
  return model.call
}
const connected = (model: Model) => model.call.kind === 'running' && model.call.path === 'connected'
const seen = (model: Model) => connected(model) && running(model).quality.framesPerSecond > 0

describe.each(pairs)('%s calls %s', (callerName, calleeName) => {
  let lab: Lab
  let browsers: Browser[]
  let alice: Page
  let bob: Page

  beforeAll(async () => {
    lab = await startLab()
    const first = await launch(callerName)
    const second = callerName === calleeName ? first : await launch(calleeName)
    browsers = [...new Set([first, second])]
    alice = await openPage(first, lab, 'Alice')
    bob = await openPage(second, lab, 'Bob')
    for (const page of [alice, bob]) {
      await page.evaluate(() => Promise.all([window.client.commands.openCamera(), window.client.commands.openMicrophone()]))
      await until(page, ({ camera, microphone }) => camera.kind === 'on' && microphone.kind === 'on')
    }
  })

  afterAll(async () => {
    for (const browser of browsers ?? []) await browser.close()
    await lab?.close()
  })

  async function connect(): Promise<number> {
    await alice.evaluate(() => window.client.commands.call('Bob'))
    await until(bob, ({ call }) => call.kind === 'incoming')
    await until(alice, ({ call }) => call.kind === 'outgoing' && call.ringing)
    const at = await bob.evaluate(() => {
      window.marks.firstFrame = null
      const at = Date.now()
      void window.client.commands.accept({ audio: true, video: true })
      return at
    })
    await Promise.all([until(alice, connected), until(bob, connected)])
    return at
  }

  test('both see and hear each other, with the same safety code', async () => {
    const at = await connect()
    const known = (model: Model) => seen(model) && running(model).safetyCode !== null
    const [a, b] = await Promise.all([until(alice, known), until(bob, known)])
    const firsts = await Promise.all([alice, bob].map((page) => page.evaluate(() => window.marks.firstFrame)))
    console.log('first frame after Accept, ms:', firsts.map((first) => (first ?? NaN) - at), running(a).quality, running(b).quality)
    expect(running(a).safetyCode).toMatch(/^(\d{4} ){4}\d{4}$/)
    expect(running(a).safetyCode).toBe(running(b).safetyCode)
    expect(running(a).quality.route).toBe('direct')
    expect(running(a).remote).toEqual({ camera: true, microphone: true, screen: false })
  })

  test('mute, camera off and on', async () => {
    await alice.evaluate(() => window.client.commands.setMuted(true))
    await until(bob, (model) => !running(model).remote.microphone)
    await alice.evaluate(() => window.client.commands.closeCamera())
    await until(bob, (model) => !running(model).remote.camera && running(model).quality.framesPerSecond === 0 && running(model).quality.bitrateIn < 80_000)
    await alice.evaluate(() => window.client.commands.setMuted(false))
    await alice.evaluate(() => window.client.commands.openCamera())
    await until(bob, (model) => running(model).remote.camera && running(model).remote.microphone && seen(model))
  })

  test('the screen beside the camera, and without it', async () => {
    // Firefox without a display has no screen to give: a canvas stands for it.
    if (callerName === 'firefox') await alice.evaluate(() => {
      const canvas = document.createElement('canvas')
      setInterval(() => canvas.getContext('2d')?.fillRect(Math.random() * 300, 0, 9, 9), 100)
      navigator.mediaDevices.getDisplayMedia = async () => canvas.captureStream(10)
    })
    // A person's click, which browsers ask for before they share a screen.
    await alice.click('#share')
    await until(alice, (model) => running(model).sharingScreen)
    await until(bob, (model) => running(model).remote.screen && running(model).remote.camera)
    await bob.waitForFunction(() => (document.getElementById('screen') as HTMLVideoElement).videoWidth > 0)
    await alice.evaluate(() => window.client.commands.stopScreen())
    await until(bob, (model) => !running(model).remote.screen)
    expect(running(await model(alice)).sharingScreen).toBe(false)
  })

  test('chat is confirmed', async () => {
    await alice.evaluate(() => window.client.commands.say('Grüß dich 👋'))
    await until(alice, (model) => running(model).messages[0]?.delivered === true)
    expect(running(await model(bob)).messages.map(({ text, mine }) => ({ text, mine }))).toEqual([{ text: 'Grüß dich 👋', mine: false }])
  })

  test('a file arrives whole', async () => {
    await bob.evaluate(() => {
      const bytes = new Uint8Array(3_500_001).map((_, index) => (index * 2654435761) >>> 13)
      window.client.commands.sendFiles([new File([bytes], '../über.bin'), new File([], 'empty')])
    })
    await until(alice, (model) => running(model).files.length === 2)
    await alice.evaluate(() => {
      const { call } = window.client.model()
      if (call.kind === 'running') for (const { id } of call.files) window.client.commands.takeFile(id)
    })
    const done = await until(alice, (model) => running(model).files.every(({ state }) => state === 'done'))
    await until(bob, (model) => running(model).files.every(({ state }) => state === 'done'))
    const [big] = running(done).files
    expect(big?.name).toBe('über.bin')
    const right = await alice.evaluate(async (url) => {
      const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer())
      return bytes.length === 3_500_001 && bytes.every((byte, index) => byte === (((index * 2654435761) >>> 13) & 255))
    }, big?.url ?? '')
    expect(right).toBe(true)
  })

  test('every socket breaks, and the call goes on', async () => {
    lab.cutSockets()
    await until(alice, ({ server }) => server.kind === 'reconnecting')
    await Promise.all([alice, bob].map((page) => until(page, ({ server }) => server.kind === 'online')))
    expect(connected(await model(alice))).toBe(true)
    await until(alice, (model) => running(model).peerPresent)
  })

  test('the server starts anew, and signalling resumes', async () => {
    await alice.evaluate(() => {
      Object.assign(window, { broken: false })
      window.client.subscribe(({ call }) => { if (call.kind !== 'running' || call.path !== 'connected') Object.assign(window, { broken: true }) })
    })
    await lab.restart()
    await Promise.all([alice, bob].map((page) => until(page, ({ server }) => server.kind === 'online')))
    expect(await alice.evaluate(() => (window as unknown as { broken: boolean }).broken)).toBe(false)
    // A new page of theirs can only come back if signalling works again.
    await bob.reload()
    await bob.waitForFunction(() => 'client' in window)
    await Promise.all([until(alice, seen), until(bob, seen)])
  })

  test.each(['Alice', 'Bob'])('%s loads the page anew, and the call comes back', async (who) => {
    const [mover, other] = who === 'Alice' ? [alice, bob] : [bob, alice]
    const code = running(await model(other)).safetyCode
    await other.evaluate(() => window.client.commands.say('before'))
    await mover.reload()
    await mover.waitForFunction(() => 'client' in window)
    await Promise.all([until(mover, seen), until(other, (model) => seen(model) && running(model).safetyCode !== null && running(model).safetyCode !== code)])
    const [a, b] = await Promise.all([model(mover), model(other)])
    expect(running(a).safetyCode).toBe(running(b).safetyCode)
    expect(running(a).messages.at(-1)?.text).toBe('before')
    await mover.evaluate(() => window.client.commands.say('after'))
    await until(other, (model) => running(model).messages.at(-1)?.text === 'after')
  })

  test('the other hangs up', async () => {
    await bob.evaluate(() => window.client.commands.hangUp())
    const ended = await until(alice, ({ call }) => call.kind === 'ended')
    expect(ended.call).toMatchObject({ kind: 'ended', reason: 'hung-up', to: 'Bob' })
    for (const page of [alice, bob]) await page.evaluate(() => window.client.commands.dismiss())
  })

  test('a closed page ends the call', async () => {
    await connect()
    await bob.close()
    const ended = await until(alice, ({ call }) => call.kind === 'ended', 30_000)
    expect(ended.call).toMatchObject({ reason: 'hung-up' })
  })
})
