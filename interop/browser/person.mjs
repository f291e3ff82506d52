/**
 * A person at the page. It is driven and read as a person would: by roles and accessible names, the status line, and
 * what is to be seen and heard; `hook.mjs` adds what `getStats` says.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { paintCamera } from './colour.mjs'
import { install } from './hook.mjs'

const OUT = fileURLToPath(new URL('../out', import.meta.url))

/** How long anything may take before a test fails, in milliseconds. */
export const PATIENCE = 30_000

/** A window for those who are several on one machine: what it costs to paint grows with its area. */
export const SMALL_WINDOW = { width: 960, height: 640 }

/** How often a condition is looked at, in milliseconds. */
const INTERVAL = 50

/**
 * @typedef {object} Choices
 * @property {('camera' | 'microphone')[]} [allow] What the page may use in Chromium; both by default.
 * @property {string} [language] The language that the browser asks for in Chromium, e.g. `fr`.
 * @property {{ width: number, height: number }} [viewport]
 * @property {number} [hue] Instead of the browser's camera one that films this colour (0 to 359), so that people can be told apart.
 * @property {() => void} [before] Runs in the page before its own scripts; it must stand alone.
 */

/** Everybody at a page now: when one waits in vain, the reason is often with another. @type {Set<Person>} */
const present = new Set()

export class Person {
  /** @type {string[]} What the page complained of. */
  complaints = []

  /**
   * @param {string} name
   * @param {import('./launch.mjs').Kind} kind the browser
   * @param {import('puppeteer-core').BrowserContext} context
   * @param {import('puppeteer-core').Page} page
   * @param {number | null} hue the colour that their camera films, if it is a certain one
   */
  constructor(name, kind, context, page, hue) {
    this.name = name
    this.kind = kind
    this.context = context
    this.page = page
    this.hue = hue
    page.setDefaultTimeout(PATIENCE)
    page.on('pageerror', (error) => this.complaints.push(error instanceof Error ? (error.stack ?? error.message) : String(error)))
    page.on('console', (message) => message.type() === 'error' && this.complaints.push(message.text()))
  }

  /**
   * Sits down at a browser, in a profile of their own, and opens a page.
   *
   * @param {import('./launch.mjs').Browser} browser
   * @param {string} name
   * @param {string} url
   * @param {Choices} [choices]
   */
  static async arrive(browser, name, url, { allow = ['camera', 'microphone'], language, hue, before, viewport = { width: 1280, height: 800 } } = {}) {
    const context = await browser.puppet.createBrowserContext()
    if (browser.kind === 'chromium') await context.overridePermissions(new URL(url).origin, allow)
    const page = await context.newPage()
    await page.setViewport(viewport)
    await page.evaluateOnNewDocument(install)
    if (hue !== undefined) await page.evaluateOnNewDocument(paintCamera, hue)
    if (before) await page.evaluateOnNewDocument(before)
    if (language) {
      const session = await page.createCDPSession()
      await session.send('Emulation.setUserAgentOverride', { userAgent: await browser.puppet.userAgent(), acceptLanguage: language })
    }
    const person = new Person(name, browser.kind, context, page, hue ?? null)
    present.add(person)
    await page.goto(url, { waitUntil: 'domcontentloaded' })
    return person
  }

  /** Gives the name and waits until the server knows it. */
  async introduce() {
    await this.type('Your name', this.name)
    await this.page.keyboard.press('Tab')
    await this.says('Ready')
  }

  /**
   * Presses a button.
   *
   * @param {string} name
   */
  async press(name) {
    let nudge = 0
    await this.until(`'${name}' can be pressed`, async () => {
      const button = await this.page.$(`aria/${name}[role="button"]`)
      if (!button || !(await button.evaluate(reachable))) {
        // During a call the controls withdraw until the mouse moves.
        await this.page.mouse.move(400 + (nudge++ % 2) * 20, 300)
        return false
      }
      // It may be gone by now: then it is looked for again.
      return button.click().then(() => true, () => false)
    })
  }

  /**
   * Whether a button is there now.
   *
   * @param {string} name
   */
  async has(name) {
    return (await this.page.$(`aria/${name}[role="button"]`)) !== null
  }

  /**
   * Waits until a button stands pressed or not.
   *
   * @param {string} name
   * @param {boolean} pressed
   */
  async stands(name, pressed) {
    await this.until(`'${name}' is ${pressed ? '' : 'not '}pressed`, async () => {
      const button = await this.page.$(`aria/${name}[role="button"]`)
      return (await button?.evaluate((element) => element.ariaPressed)) === String(pressed)
    })
  }

  /**
   * Presses a button until it stands as wanted: one that moves with the picture it is on may be missed.
   *
   * @param {string} name
   * @param {boolean} pressed
   */
  async turn(name, pressed) {
    await this.until(`'${name}' is ${pressed ? '' : 'not '}pressed`, async () => {
      const button = await this.page.$(`aria/${name}[role="button"]`)
      if ((await button?.evaluate((element) => element.ariaPressed)) === String(pressed)) return true
      if (button && (await button.evaluate(reachable))) await button.click().catch(() => {})
      return false
    })
  }

  /**
   * Fills in a text box.
   *
   * @param {string} name
   * @param {string} text
   */
  async type(name, text) {
    await this.page.locator(`aria/${name}[role="textbox"]`).fill(text)
  }

  /**
   * Chooses from a list.
   *
   * @param {string} label
   * @param {string} option
   */
  async choose(label, option) {
    await this.until(`'${option}' is chosen for '${label}'`, async () => {
      const list = await this.page.$(`aria/${label}`)
      return (await list?.evaluate((element, wanted) => {
        const found = element instanceof HTMLSelectElement ? [...element.options].find(({ text }) => text === wanted) : undefined
        if (!found || !(element instanceof HTMLSelectElement)) return false
        element.value = found.value
        element.dispatchEvent(new Event('change', { bubbles: true }))
        return true
      }, option)) ?? false
    })
  }

  /** The line that tells the state of the call. */
  async status() {
    return this.page.$eval('[role="status"]', (line) => line.textContent?.trim() ?? '')
  }

  /**
   * Waits until the status line contains a text.
   *
   * @param {string} text
   */
  async says(text) {
    await this.until(`the status line says '${text}'`, async () => (await this.status()).includes(text))
  }

  /**
   * Waits until a text is to be read somewhere.
   *
   * @param {string} text
   */
  async reads(text) {
    await this.until(`'${text}' is to be read`, () => this.page.evaluate((wanted) => document.body.innerText.includes(wanted), text))
  }

  /** Turns camera and microphone on before a call. The page does so by itself where one of them is allowed already. */
  async turnOn() {
    const off = 'Turn on camera and microphone'
    await this.until('the page has asked for the devices', async () => {
      if (await this.has(off)) await this.press(off)
      return !(await this.has(off)) && !(await this.page.evaluate(() => document.body.innerText.includes('Please allow the camera')))
    })
  }

  /**
   * Calls a person by name.
   *
   * @param {string} to
   */
  async call(to) {
    await this.type('Person to call', to)
    await this.press('Call')
  }

  /**
   * Chooses a file to send.
   *
   * @param {string} file
   */
  async send(file) {
    const [chooser] = await Promise.all([this.page.waitForFileChooser(), this.press('Send file')])
    await chooser.accept([file])
  }

  /**
   * Waits for a file to be complete, and reads it where the page offers to save it.
   *
   * @param {string} name
   * @returns {Promise<{ size: number, sha256: string }>}
   */
  async received(name) {
    const link = () => this.page.$(`a[download="${name}"]`)
    await this.until(`${name} has arrived`, async () => (await link()) !== null)
    const found = await link()
    assert(found)
    return found.evaluate(async (anchor) => {
      const bytes = await /** @type {any} */ (window).interop.blobs.get(/** @type {HTMLAnchorElement} */ (anchor).href).arrayBuffer()
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
      return { size: bytes.byteLength, sha256: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('') }
    })
  }

  /** The numbers of the newest connection; null where there is none. @returns {Promise<import('./hook.mjs').Summary | null>} */
  async stats() {
    return this.page.evaluate(() => /** @type {any} */ (window).interop.summary())
  }

  /** @returns {Promise<import('./hook.mjs').Picture | null>} */
  async picture() {
    return this.page.evaluate(() => /** @type {any} */ (window).interop.picture())
  }

  /** When buttons were pressed and pictures appeared. @returns {Promise<Pick<import('./hook.mjs').Hook, 'clicks' | 'frames'>>} */
  async marks() {
    return this.page.evaluate(() => {
      const { clicks, frames } = /** @type {any} */ (window).interop
      return { clicks, frames }
    })
  }

  /**
   * Waits until the friend is really seen: frames are decoded, the picture advances, and it is not black or of one
   * colour.
   *
   * @param {Person} friend
   */
  async sees(friend) {
    const before = await this.moving()
    await this.until(`${friend.name} moves`, async () => {
      const now = await this.moving()
      return now !== null && before !== null && now.framesDecoded > before.framesDecoded + 2 && now.currentTime > before.currentTime
    })
    await this.until(`${friend.name} is in the picture, which is neither black nor of one colour`, async () => {
      const picture = await this.picture()
      // Firefox's own camera shows one colour, which changes.
      const colours = friend.kind === 'chromium' ? 8 : 0
      return picture !== null && picture.label === friend.name && picture.brightness > 10 && picture.variety > colours
    })
  }

  /**
   * Waits until every one of these people is on the screen at the same time, each in their own colour, and moves.
   *
   * @param {Person[]} friends
   */
  async seesAll(friends) {
    /** @type {import('./hook.mjs').Picture[]} */
    let first = []
    await this.until(`${friends.map(({ name }) => name).join(' and ')} move`, async () => {
      const now = await this.pictures()
      const of = (/** @type {import('./hook.mjs').Picture[]} */ all, /** @type {Person} */ { name }) => all.find(({ label }) => label === name)
      // A tile that is made anew, as after a reload, counts from nought again.
      const anew = (/** @type {Person} */ friend) => (of(now, friend)?.currentTime ?? Infinity) < (of(first, friend)?.currentTime ?? Infinity)
      if (friends.some(anew)) first = now
      return friends.every((friend) => {
        const [before, after] = [of(first, friend), of(now, friend)]
        return before && after && after.currentTime > before.currentTime && after.brightness > 10 && (friend.hue === null || (after.hue === friend.hue && after.variety > 8))
      })
    })
  }

  /** The remote pictures on the screen. @returns {Promise<import('./hook.mjs').Picture[]>} */
  async pictures() {
    return this.page.evaluate(() => /** @type {any} */ (window).interop.pictures())
  }

  /** The height of the frames that arrive for a friend's picture. @param {Person} friend @returns {Promise<number>} */
  async receives(friend) {
    return this.page.evaluate((label) => /** @type {any} */ (window).interop.received(label), friend.name)
  }

  /** Begins to watch a friend's picture for gaps. @param {Person} friend */
  async watches(friend) {
    await this.page.evaluate((label) => /** @type {any} */ (window).interop.paint(label), friend.name)
  }

  /**
   * The longest time without a new frame of a friend's picture since `watches`, ms, once more frames have come.
   *
   * @param {Person} friend
   * @returns {Promise<number>}
   */
  async longestGap(friend) {
    const painted = () => this.page.evaluate((label) => /** @type {any} */ (window).interop.painted[label], friend.name)
    const { length } = await painted()
    // To look at the pixels now would hold up the very frames that are waited for.
    await this.until(`${friend.name} goes on moving`, async () => (await painted()).length > length + 20)
    const times = await painted()
    return Math.max(...times.slice(1).map((/** @type {number} */ time, /** @type {number} */ index) => time - times[index]))
  }

  /** Waits for a playing picture, and says how far it is. */
  async moving() {
    /** @type {{ framesDecoded: number, currentTime: number } | null} */
    let found = null
    await this.until('a remote picture plays', async () => {
      const [stats, picture] = [await this.stats(), await this.picture()]
      if (stats && picture && stats.framesDecoded > 0) found = { framesDecoded: stats.framesDecoded, currentTime: picture.currentTime }
      return found !== null
    })
    return /** @type {{ framesDecoded: number, currentTime: number } | null} */ (found)
  }

  /** Waits until sound arrives that is not silence. */
  async hears() {
    const before = (await this.stats())?.audioEnergy ?? 0
    await this.until('sound arrives', async () => ((await this.stats())?.audioEnergy ?? 0) > before)
  }

  /**
   * Waits for a condition; if it does not come true, the failure says what the page showed instead.
   *
   * @param {string} what
   * @param {() => Promise<boolean> | boolean} condition
   * @param {number} [patience]
   */
  async until(what, condition, patience = PATIENCE) {
    const end = Date.now() + patience
    while (!(await condition())) {
      if (Date.now() > end) {
        assert.fail(`${this.name} waited ${patience} ms until ${what}\n${await everybody(end)}`)
      }
      await new Promise((resolve) => setTimeout(resolve, INTERVAL))
    }
  }

  /**
   * Takes a picture of the page into the folder `out`.
   *
   * @param {string} name
   */
  async screenshot(name) {
    mkdirSync(OUT, { recursive: true })
    const file = path.join(OUT, `${name}.png`)
    await this.page.screenshot({ path: /** @type {`${string}.png`} */ (file) })
    return file
  }

  /** Leaves: everything of this person in the browser is gone. */
  async leave() {
    present.delete(this)
    // The browser may be gone already.
    await this.context.close().catch(() => {})
  }
}

/** What everybody sees, for the message of a failure. @param {number} stamp */
async function everybody(stamp) {
  const accounts = [...present].map(async (person) => {
    const status = await person.status().catch(() => '(no status line)')
    const shot = await person.screenshot(`failed-${stamp}-${person.name}`).catch((error) => String(error))
    return [`${person.name}: '${status}', ${shot}`, ...person.complaints].join('\n  ')
  })
  return (await Promise.all(accounts)).join('\n')
}

/**
 * Whether a mouse would meet a button: it is enabled, at rest, and nothing lies over it. Runs in the page.
 *
 * @param {Element} element
 */
async function reachable(element) {
  const before = element.getBoundingClientRect()
  await new Promise((resolve) => requestAnimationFrame(resolve))
  const { left, top, width, height } = element.getBoundingClientRect()
  if (left !== before.left || top !== before.top || element.matches(':disabled')) return false
  const met = document.elementFromPoint(left + width / 2, top + height / 2)
  return met !== null && element.contains(met)
}
