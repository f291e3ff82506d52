/** Our own server, on this machine's loopback or in the laboratory. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { SERVER } from '../lab/lab.mjs'
import { freePort } from './ports.mjs'

/** How many of its last lines a failure quotes. */
const QUOTED = 30

/** The program: the one that is named, or the newer of the two builds. */
export function program() {
  const named = process.env['INTEROP_BIN']
  if (named) return named
  const builds = ['debug', 'release'].map((profile) => fileURLToPath(new URL(`../../target/${profile}/visavis`, import.meta.url)))
  const [newest] = builds.filter((file) => existsSync(file)).sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  if (!newest) throw new Error('there is no visavis to test: run `cargo build --bin visavis`, or name one in INTEROP_BIN')
  return newest
}

/** The servers of this process, for the case that it ends in the middle. @type {Set<Visavis>} */
const running = new Set()
process.once('exit', () => {
  for (const server of running) server.abandon()
})

export class Visavis {
  /** @type {import('node:child_process').ChildProcess | null} */
  #child = null
  /** @type {string[]} */
  #said = []
  #folder = mkdtempSync(path.join(tmpdir(), 'visavis-server-'))

  /**
   * @param {string} url where its page is
   * @param {string[]} flags
   * @param {import('../lab/lab.mjs').Lab} [lab]
   */
  constructor(url, flags, lab) {
    this.url = url
    this.lab = lab
    this.argv = [program(), 'serve', '--data', this.#folder, ...flags]
    running.add(this)
  }

  /**
   * Starts one on the loopback, where a page is in a secure context without TLS.
   *
   * @param {string[]} [flags]
   */
  static async local(flags = []) {
    const [http, stun] = await Promise.all([freePort(), freePort()])
    const server = new Visavis(`http://localhost:${http}`, [
      '--http', `127.0.0.1:${http}`,
      '--tls', 'off',
      '--stun', `127.0.0.1:${stun}`,
      '--relay-allow', '127.0.0.0/8',
      ...flags,
    ])
    await server.start()
    return server
  }

  /**
   * Starts one in the laboratory's internet, with everything on port 443 and TURN on 3478 besides.
   *
   * @param {import('../lab/lab.mjs').Lab} lab
   * @param {import('../browser/trust.mjs').Identity} identity
   * @param {string} name its host name
   * @param {string[]} [flags]
   */
  static async inLab(lab, identity, name, flags = []) {
    const server = new Visavis(`https://${name}`, [
      '--http', 'off',
      '--https', `${SERVER}:443`,
      '--stun', `${SERVER}:3478`,
      '--public-host', name,
      '--tls', 'files',
      '--tls-cert', identity.certificate,
      '--tls-key', identity.key,
      ...flags,
    ], lab)
    await server.start()
    return server
  }

  /** Starts it, again after `stop`, and waits until it takes connections. */
  async start() {
    const [file = '', ...rest] = this.argv
    /** @type {import('node:child_process').SpawnOptions} */
    const options = { stdio: ['ignore', 'pipe', 'pipe'] }
    const child = this.lab ? this.lab.spawn('server', this.argv, options) : spawn(file, rest, options)
    this.#child = child
    if (!child.stdout || !child.stderr) throw new Error('both are pipes')
    const remember = (/** @type {string} */ line) => {
      this.#said.push(line)
      if (this.#said.length > QUOTED) this.#said.shift()
      if (process.env['INTEROP_LOUD']) console.error(`# ${line}`)
    }
    createInterface({ input: child.stderr }).on('line', remember)
    const lines = createInterface({ input: child.stdout }).on('line', remember)
    await new Promise((resolve, reject) => {
      lines.on('line', (line) => line === 'visavis: ready' && resolve(line))
      child.once('error', reject)
      child.once('exit', (code) => reject(new Error(`visavis ended with ${code} before it was ready:\n${this.#said.join('\n')}`)))
    })
  }

  /**
   * Ends it and waits until it is gone.
   *
   * @param {'SIGTERM' | 'SIGKILL'} [signal]
   */
  async halt(signal = 'SIGTERM') {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }

  /** Where its data is. */
  get folder() {
    return this.#folder
  }

  /** Ends it for good, without the time that it gives to calls: its data goes too. */
  async stop() {
    await this.halt('SIGKILL')
    this.abandon()
  }

  /** For the end of the process: at once. */
  abandon() {
    running.delete(this)
    this.#child?.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/**
 * Our server in the laboratory, for tests of TURN: with credentials as a page gets them, from the welcome of signalling.
 *
 * @param {import('../lab/lab.mjs').Lab} lab
 * @param {import('../browser/trust.mjs').Identity} identity
 * @param {string} name
 */
export async function visavisTurn(lab, identity, name) {
  const server = await Visavis.inLab(lab, identity, name, ['--allocations-per-user', '100'])
  const script = fileURLToPath(new URL('welcome.mjs', import.meta.url))
  const { code, stdout, stderr } = await lab.run('server', ['env', `NODE_EXTRA_CA_CERTS=${identity.ca}`, process.execPath, script, `wss://${name}/ws`])
  if (code !== 0) throw new Error(`no welcome from the server: ${stderr}`)
  const { username, credential } = JSON.parse(stdout)
  return { username, credential, stop: () => server.stop() }
}
