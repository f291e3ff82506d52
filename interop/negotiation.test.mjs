/**
 * Our offers and answers before the parsers of Chromium, Firefox and libwebrtc, and theirs before ours: both sides end
 * stable, with the same sections in the same directions. No packet is sent.
 */
import assert from 'node:assert/strict'
import { fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Browser } from './browser/launch.mjs'
import { theirs } from './descriptions/theirs.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Our side: `crates/peer/examples/negotiate.rs`. */
class Ours {
  constructor() {
    this.child = spawn(`${ROOT}/target/debug/examples/negotiate`, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
  }

  /** @param {string} command @param {string} [sdp] @returns {Promise<string>} */
  async say(command, sdp) {
    this.child.stdin.write(`${command}\n${sdp === undefined ? '' : `${sdp.replaceAll('\r\n', '\n')}.\n`}`)
    const first = await this.#line()
    assert.ok(!first.startsWith('error'), `${command}: ${first}`)
    if (!first.startsWith('v=')) return first

    let text = `${first}\r\n`
    for (let line = await this.#line(); line !== '.'; line = await this.#line()) text += `${line}\r\n`
    return text
  }

  async #line() {
    const { value, done } = await this.lines.next()
    assert.ok(!done, 'our side goes on')
    return String(value)
  }

  end() {
    this.child.stdin.end()
  }
}

/** @typedef {(task: { act: string, sdp?: string }) => Promise<string>} Their */

/** What is agreed, without the data section, must be the same seen from both sides. @param {Ours} ours @param {Their} their */
async function same(ours, their) {
  const [state, ...rest] = (await their({ act: 'agreed' })).split(' ')
  assert.equal(state, 'stable')
  const flipped = rest.join(' ').replaceAll(/sendonly|recvonly/g, (found) => (found === 'sendonly' ? 'recvonly' : 'sendonly'))
  const agreed = (await ours.say('agreed')).split(';').filter((part) => part !== '' && !part.includes(' data '))
  assert.deepEqual(agreed.map((part) => part.split(' ').slice(0, 2).join(' ')).sort(), flipped.split(';').filter(Boolean).sort())
  return agreed
}

/** @param {Ours} ours @param {Their} their */
async function weOffer(ours, their) {
  await ours.say('take answer', await their({ act: 'answer', sdp: await ours.say('offer') }))
  return same(ours, their)
}

/** @param {Ours} ours @param {Their} their */
async function theyOffer(ours, their) {
  await ours.say('take offer', await their({ act: 'offer' }))
  await their({ act: 'take', sdp: await ours.say('answer') })
  return same(ours, their)
}

/** @type {Record<string, (ours: Ours, their: Their) => Promise<void>>} */
const CASES = {
  'a call that we offer, then change': async (ours, their) => {
    for (const what of ['audio', 'video', 'data']) await ours.say(what)
    const [audio, video] = await weOffer(ours, their)
    assert.match(audio ?? '', /^0 sendrecv opus/)
    assert.match(video ?? '', /^1 sendrecv VP8/)
    await ours.say('stop 0')
    await ours.say('restart')
    assert.equal((await weOffer(ours, their)).length, 1)
    await their({ act: 'audio' })
    assert.equal((await theyOffer(ours, their)).length, 2)
    await ours.say('video')
    assert.equal((await weOffer(ours, their)).length, 3)
  },
  'a call that they offer, then change': async (ours, their) => {
    for (const act of ['audio', 'video', 'data']) await their({ act })
    assert.equal((await theyOffer(ours, their)).length, 2)
    await their({ act: 'restart' })
    assert.equal((await theyOffer(ours, their)).length, 2)
    await their({ act: 'stop' })
    assert.equal((await theyOffer(ours, their)).length, 1)
    await ours.say('audio')
    await ours.say('restart')
    assert.equal((await weOffer(ours, their)).length, 2)
  },
  'data alone, both ways': async (ours, their) => {
    await ours.say('data')
    await weOffer(ours, their)
    await their({ act: 'restart' })
    await theyOffer(ours, their)
    assert.match(await ours.say('agreed'), /^0 data \d+$/)
  },
  'offers that cross, we are polite': async (ours, their) => {
    await ours.say('audio')
    await their({ act: 'video' })
    await ours.say('offer')
    await theyOffer(ours, their)
    assert.equal((await weOffer(ours, their)).length, 2)
  },
  'offers that cross, they are polite': async (ours, their) => {
    await ours.say('data')
    await weOffer(ours, their)
    // Not the other way round: libwebrtc, which numbers the extensions of pictures alone as of no others, refuses
    // other numbers also for what it has just rolled back ("RTP extension ID reassignment not supported").
    await ours.say('video')
    await their({ act: 'audio' })
    await their({ act: 'offer' })
    await weOffer(ours, their)
    assert.equal((await theyOffer(ours, their)).length, 2)
  },
  'simulcast that they send': async (ours, their) => {
    await their({ act: 'simulcast' })
    const [video] = await theyOffer(ours, their)
    assert.match(video ?? '', / h,m,l$/)
    // Also when the offer is ours.
    await ours.say('restart')
    assert.match((await weOffer(ours, their))[0] ?? '', / h,m,l$/)
  },
  'simulcast that we offer and they do not take': async (ours, their) => {
    await ours.say('simulcast')
    assert.match((await weOffer(ours, their))[0] ?? '', /sendrecv VP8 $/)
  },
}

/** @type {Record<string, () => Promise<{ their: Their, close: () => Promise<void> }>>} */
const STACKS = {
  Chromium: () => browser('chromium'),
  Firefox: () => browser('firefox'),
  libwebrtc: async () => {
    const child = fork(fileURLToPath(new URL('descriptions/libwebrtc.mjs', import.meta.url)))
    /** @type {Their} */
    const their = async (task) => {
      const answer = once(child, 'message')
      child.send(task)
      const [{ said, error }] = await answer
      if (error) throw new Error(error)
      return said
    }
    return { their, close: async () => void child.kill('SIGKILL') }
  },
}

/** @param {import('./browser/launch.mjs').Kind} kind */
async function browser(kind) {
  const launched = await Browser.launch(kind)
  const page = await launched.puppet.newPage()
  return { their: (/** @type {{ act: string, sdp?: string }} */ task) => page.evaluate(theirs, task), close: () => launched.close() }
}

before(() => {
  const { status } = spawnSync('cargo', ['build', '--example', 'negotiate'], { cwd: ROOT, stdio: 'inherit' })
  assert.equal(status, 0, 'our side builds')
})

for (const [name, start] of Object.entries(STACKS)) {
  describe(`negotiating with ${name}`, () => {
    /** @type {{ their: Their, close: () => Promise<void> }} */
    let stack
    before(async () => {
      stack = await start()
    })
    after(() => stack?.close())

    for (const [what, run] of Object.entries(CASES)) {
      test(what, async () => {
        const ours = new Ours()
        await stack.their({ act: 'new' })
        try {
          await run(ours, stack.their)
        } finally {
          ours.end()
          await stack.their({ act: 'close' })
        }
      })
    }
  })
}
