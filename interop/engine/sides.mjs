/** The two sides of a connection: programs that speak lines of JSON, or pages. w3c.mjs describes the language. */
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { networkInterfaces } from 'node:os'
import { createInterface } from 'node:readline'
import { Browser } from '../browser/launch.mjs'
import { w3c } from './w3c.mjs'

/** How long anything may take, and what is known to fail. */
const PATIENCE = 8_000
export const KNOWN_PATIENCE = 2_500

/** @typedef {import('./w3c.mjs').Task} Task @typedef {import('./w3c.mjs').Happening} Happening */

export class Side {
  /** What happened and nobody has asked for yet. @type {Happening[]} */
  #happened = []
  /** @type {Set<() => void>} */
  #waiting = new Set()
  /** Where candidates go, when there is a description to which they belong. @type {((candidate: Happening) => void) | null} */
  #taker = null
  /** @type {Happening[]} */
  #candidates = []

  /** @param {string} name */
  constructor(name) {
    this.name = name
    /** How long anything may take, in milliseconds. */
    this.patience = PATIENCE
    /** The largest message that it can send, in bytes. */
    this.sends = Infinity
    /** The smallest message that it can send, in bytes. */
    this.least = 0
    /** The smallest message that it takes for what it is, in bytes. */
    this.takes = 0
    /** Whether candidates, its own and those for it, wait until it has taken the answer. */
    this.waits = false
  }

  /** @param {Happening} happening */
  hear(happening) {
    if (happening['event'] === 'candidate') {
      if (this.#taker) this.#taker(happening)
      else this.#candidates.push(happening)
      return
    }
    this.#happened.push(happening)
    for (const look of this.#waiting) look()
  }

  /** Hands candidates over from now on, or holds them back. @param {((candidate: Happening) => void) | null} taker */
  candidatesTo(taker) {
    this.#taker = taker
    if (taker) for (const candidate of this.#candidates.splice(0)) taker(candidate)
  }

  /**
   * The first event that is like this, once it has come. Every event is given once.
   *
   * @param {Happening} like @param {number} [patience]
   * @returns {Promise<Happening>}
   */
  until(like, patience = this.patience) {
    const is = (/** @type {Happening} */ happening) => Object.entries(like).every(([name, value]) => happening[name] === value)
    const ended = (/** @type {Happening} */ happening) => happening['event'] === 'ended' || happening['event'] === 'trouble'
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer)
        this.#waiting.delete(look)
      }
      const look = () => {
        const at = this.#happened.findIndex(is)
        const end = this.#happened.find(ended)
        if (at >= 0) {
          done()
          resolve(/** @type {Happening} */ (this.#happened.splice(at, 1)[0]))
        } else if (end) {
          done()
          reject(new Error(`${this.name} ended instead of ${JSON.stringify(like).slice(0, 100)}: ${end['why'] ?? end['what']}`))
        }
      }
      const timer = setTimeout(() => {
        done()
        const last = this.#happened.slice(-4).map((happening) => JSON.stringify(happening).slice(0, 120))
        reject(new Error(`${this.name} never had ${JSON.stringify(like).slice(0, 100)}; at last there was ${last.join(', ')}`))
      }, patience)
      this.#waiting.add(look)
      look()
    })
  }

  /** Forgets what happened. */
  forget() {
    this.#happened = []
  }

  /** @param {string} _what @param {Task} [_task] @returns {Promise<any>} */
  act(_what, _task) {
    throw new Error('a side acts')
  }

  /** Ends it, whatever state it is in. @returns {Promise<void>} */
  async end() {}
}

/** A program; it ends when its input does. */
export class Program extends Side {
  /** @type {Map<number, { resolve: (said: any) => void, reject: (error: Error) => void }>} */
  #asked = new Map()
  #next = 0

  /** @param {string} name @param {string[]} argv */
  constructor(name, [file = '', ...argv]) {
    super(name)
    this.child = spawn(file, argv, { stdio: ['pipe', 'pipe', process.env['INTEROP_LOUD'] ? 'inherit' : 'ignore'] })
    this.gone = new Promise((resolve) => this.child.once('exit', resolve))
    void this.gone.then(() => {
      for (const { reject } of this.#asked.values()) reject(new Error(`${name} has ended`))
    })
    this.child.stdin.on('error', () => {})
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      if (process.env['INTEROP_LOUD']) console.error(`${name}: ${line.slice(0, 20_000)}`)
      const said = JSON.parse(line)
      const asked = this.#asked.get(said.id)
      if (!asked) return this.hear(said)
      this.#asked.delete(said.id)
      if (said.error === undefined) asked.resolve(said.said)
      else asked.reject(new Error(`${name}: ${said.error}`))
    })
  }

  /** @override @param {string} what @param {Task} [task] */
  act(what, task = {}) {
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject })
      this.child.stdin.write(`${JSON.stringify({ ...task, id, do: what })}\n`)
    })
  }

  /** @override */
  async end() {
    this.child.stdin.end()
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 1000)
    await this.gone
    clearTimeout(timer)
  }
}

/** A connection in a page. */
class Page extends Side {
  /** @param {string} name @param {import('puppeteer-core').Page} page @param {number} number */
  constructor(name, page, number) {
    super(name)
    this.page = page
    this.number = number
    void this.#listen()
  }

  async #listen() {
    for (;;) {
      const happened = await this.page.evaluate((n) => /** @type {any} */ (globalThis).sides[n].next(), this.number).catch(() => [{ event: 'gone' }])
      for (const happening of happened) {
        if (process.env['INTEROP_LOUD']) console.error(`${this.name}: ${JSON.stringify(happening).slice(0, 20_000)}`)
        if (happening.event === 'gone') return
        this.hear(happening)
      }
    }
  }

  /** @override @param {string} what @param {Task} [task] */
  act(what, task = {}) {
    return this.page.evaluate((n, t) => /** @type {any} */ (globalThis).sides[n].act(t), this.number, { ...task, do: what })
  }

  /** @override */
  async end() {
    await this.act('close').catch(() => {})
  }
}

/** A browser with an empty page, in which any number of connections are made one after the other. */
export class Pages {
  #made = 0

  /**
   * @param {string} name @param {Browser} browser @param {import('puppeteer-core').Page} page
   * @param {import('node:http').Server} server
   */
  constructor(name, browser, page, server) {
    this.name = name
    this.browser = browser
    this.page = page
    this.server = server
  }

  /** @param {string} name @param {import('../browser/launch.mjs').Kind} kind @param {string[]} [args] */
  static async open(name, kind, args = []) {
    const server = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Interop</title>'))
    await /** @type {Promise<void>} */ (new Promise((resolve) => server.listen(0, '127.0.0.1', resolve)))
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
    // Connections of Chromium are under its rules for names, even to an address.
    const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []).filter(({ family }) => family === 'IPv4')
    const names = kind === 'chromium' ? Object.fromEntries(own.map(({ address }) => [address, address])) : {}
    const browser = await Browser.launch(kind, { args, names })
    const page = await browser.puppet.newPage()
    await page.goto(`http://localhost:${port}/`)
    await page.evaluate(`globalThis.sides = []; globalThis.w3c = ${w3c}`)
    return new Pages(name, browser, page, server)
  }

  async side() {
    const number = this.#made++
    await this.page.evaluate(`sides[${number}] = w3c(RTCPeerConnection)`)
    return new Page(this.name, this.page, number)
  }

  async close() {
    await this.browser.close()
    this.server.close()
  }
}
