/**
 * A laboratory of network namespaces: an internet with servers, and homes behind NATs of chosen kinds.
 *
 * ```
 *   server 203.0.113.10, .11 ──┐
 *                              internet (router 203.0.113.1)
 *   public host 203.0.113.100 ─┤   │
 *                                  └── box (wan 203.0.113.20+n) ── hosts 192.168.n.11, .12 …
 * ```
 *
 * Nothing in it can reach, or be reached from, the network outside.
 */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { behaviour, rules } from './kinds.mjs'
import { Namespaces } from './namespaces.mjs'

/**
 * What to build.
 *
 * @typedef {object} Spec
 * @property {Record<string, string | Home>} homes Each home by the name of its (first) host; a text is its kind.
 * @property {Record<string, string>} [names] Host names that every host knows, and their addresses.
 *
 * @typedef {object} Home
 * @property {string} kind One of `KINDS`.
 * @property {number} [hosts] How many hosts stand in it, 1 by default; the second of `a` is called `a2`.
 * @property {boolean} [hairpin] Whether they reach each other through the outer address.
 */

/** The two addresses of the host `server`. */
export const SERVER = '203.0.113.10'
export const SERVER_OTHER = '203.0.113.11'

const ROUTER = '203.0.113.1'
const INTERNET = 'internet'

/** The laboratories of this process, for the case that it ends in the middle. @type {Set<Lab>} */
const alive = new Set()

export class Lab {
  #namespaces
  /** @type {Set<import('node:child_process').ChildProcess>} */
  #children = new Set()
  /** @type {Map<string, string>} */
  #addresses = new Map()
  #hosts

  /** @param {Namespaces} namespaces @param {Spec} spec */
  constructor(namespaces, spec) {
    this.#namespaces = namespaces
    this.#hosts = path.join(namespaces.folder, 'hosts')
    const names = Object.entries(spec.names ?? {}).map(([name, address]) => `${address} ${name}\n`)
    writeFileSync(this.#hosts, ['127.0.0.1 localhost\n::1 localhost\n', ...names].join(''))
  }

  /**
   * Builds a laboratory. It is torn down by `down`, at the end of this process in whatever way it ends, or, if it was
   * killed outright, by the next one that is built.
   *
   * @param {Spec} spec
   */
  static up(spec) {
    for (const home of Object.values(spec.homes)) behaviour(typeof home === 'string' ? home : home.kind)
    guardExit()
    const lab = new Lab(new Namespaces(), spec)
    alive.add(lab)
    try {
      lab.#build(spec)
    } catch (error) {
      lab.down()
      throw error
    }
    return lab
  }

  /** A folder for files of this laboratory; removed with it. */
  get folder() {
    return this.#namespaces.folder
  }

  /**
   * A host's own address.
   *
   * @param {string} host
   */
  address(host) {
    const address = this.#addresses.get(host)
    if (!address) throw new Error(`no host '${host}' in this laboratory; there are: ${[...this.#addresses.keys()].join(', ')}`)
    return address
  }

  /**
   * The command line that runs a command on a host. It replaces itself by the command, so process id and open files
   * are the command's own.
   *
   * @param {string} host
   * @param {string[]} argv
   */
  argv(host, argv) {
    this.address(host)
    // `ip netns exec` has its own mount namespace, so this name table is seen by the command alone.
    const script = 'mount --bind "$0" /etc/hosts && exec "$@"'
    return ['ip', 'netns', 'exec', this.#namespaces.full(host), 'sh', '-c', script, this.#hosts, ...argv]
  }

  /**
   * Starts a command on a host. It ends with the laboratory at the latest.
   *
   * @param {string} host
   * @param {string[]} argv
   * @param {import('node:child_process').SpawnOptions} [options]
   */
  spawn(host, argv, options = {}) {
    const [file = '', ...args] = this.argv(host, argv)
    const child = spawn(file, args, options)
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  /**
   * Runs a command on a host to its end.
   *
   * @param {string} host
   * @param {string[]} argv
   * @returns {Promise<{ code: number | null, stdout: string, stderr: string }>}
   */
  run(host, argv) {
    const child = this.spawn(host, argv, { stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout?.setEncoding('utf8').on('data', (text) => (stdout += text))
    child.stderr?.setEncoding('utf8').on('data', (text) => (stderr += text))
    return new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => resolve({ code, stdout, stderr }))
    })
  }

  /**
   * Cuts a home off from the internet, or joins it again. Nobody is told, as when a cable is cut further away.
   *
   * @param {string} home
   * @param {boolean} off
   */
  cut(home, off) {
    this.#namespaces.exec(`${home}-box`, ['nft', '-f', '-'], off ? CUT : 'delete table ip cut\n')
  }

  /**
   * Limits what a home can send.
   *
   * @param {string} home
   * @param {string} rate as tc(8) writes it, e.g. `20mbit`
   */
  shape(home, rate) {
    this.#namespaces.exec(`${home}-box`, ['tc', 'qdisc', 'replace', 'dev', 'wan', 'root', 'tbf', 'rate', rate, 'burst', '64k', 'latency', '50ms'])
  }

  /**
   * Makes the way to and from a home narrow: IP packets that are longer than this and may not be cut are dropped, and
   * nobody is told (a black hole, RFC 2923 §2.1). May be called again.
   *
   * @param {string} home
   * @param {number} bytes
   */
  narrow(home, bytes) {
    this.#namespaces.exec(`${home}-box`, ['nft', '-f', '-'], narrow(bytes))
  }

  /**
   * How many IP packets of UDP a narrow home has dropped, and how many that are longer than those which pass everywhere
   * have passed, since the last `narrow`.
   *
   * @param {string} home
   */
  passed(home) {
    const said = this.#namespaces.exec(`${home}-box`, ['nft', 'list', 'counters', 'table', 'ip', 'narrow'])
    const of = (/** @type {string} */ name) => Number(new RegExp(`counter ${name} \\{\\s*packets (\\d+)`).exec(said)?.[1])
    return { dropped: of('dropped'), large: of('large') }
  }

  /** Ends everything that runs in it and removes it. May be called again. */
  down() {
    for (const child of this.#children) child.kill('SIGKILL')
    this.#namespaces.remove()
    alive.delete(this)
  }

  /** @param {Spec} spec */
  #build({ homes }) {
    const lab = this.#namespaces
    lab.add(INTERNET, { forward: true })
    this.#attach('server', SERVER, 'server')
    lab.exec('server', ['ip', 'addr', 'add', `${SERVER_OTHER}/32`, 'dev', 'eth0'])
    lab.route(INTERNET, `${SERVER_OTHER}/32`, SERVER)
    Object.entries(homes).forEach(([name, home], index) => {
      this.#home(name, typeof home === 'string' ? { kind: home } : home, index + 1)
    })
  }

  /** @param {string} name @param {Home} home @param {number} n */
  #home(name, { kind, hosts = 1, hairpin = false }, n) {
    if (kind === 'public') return this.#attach(name, `203.0.113.${100 + n}`, `p${n}`)
    const wan = `203.0.113.${20 + n}`
    const lan = `192.168.${n}`
    if (kind === 'cgnat') {
      const [outer, inner] = [`100.64.${n}.1`, `100.64.${n}.2`]
      this.#box(`${name}-carrier`, 'port-restricted', { up: INTERNET, gateway: ROUTER, port: `h${n}`, wan, lan: '100.64.0.0/10', hairpin })
      this.#box(`${name}-box`, 'port-restricted', { up: `${name}-carrier`, gateway: outer, port: 'lan1', wan: inner, lan: `${lan}.0/24`, hairpin })
    } else {
      this.#box(`${name}-box`, kind, { up: INTERNET, gateway: ROUTER, port: `h${n}`, wan, lan: `${lan}.0/24`, hairpin })
    }
    for (let host = 1; host <= hosts; host++) {
      this.#host(host === 1 ? name : `${name}${host}`, `${lan}.${10 + host}`, { router: `${name}-box`, gateway: `${lan}.1`, port: `lan${host}` })
    }
  }

  /** A host with an address of the internet. @param {string} name @param {string} address @param {string} port */
  #attach(name, address, port) {
    this.#host(name, address, { router: INTERNET, gateway: ROUTER, port })
  }

  /** @param {string} name @param {string} address @param {{ router: string, gateway: string, port: string }} to */
  #host(name, address, { router, gateway, port }) {
    const lab = this.#namespaces
    lab.add(name)
    lab.connect({ name, device: 'eth0', address }, { name: router, device: port, address: gateway })
    lab.route(name, 'default', gateway)
    this.#addresses.set(name, address)
  }

  /**
   * @param {string} name
   * @param {string} kind
   * @param {{ up: string, gateway: string, port: string, wan: string, lan: string, hairpin: boolean }} box
   */
  #box(name, kind, { up, gateway, port, wan, lan, hairpin }) {
    const lab = this.#namespaces
    lab.add(name, { forward: true })
    lab.connect({ name, device: 'wan', address: wan }, { name: up, device: port, address: gateway })
    lab.route(name, 'default', gateway)
    lab.exec(name, ['nft', '-f', '-'], rules(kind, { wan, lan, hairpin }))
  }
}

const CUT = 'table ip cut { chain through { type filter hook forward priority filter - 10; drop; }; }\n'

/** @param {number} bytes */
const narrow = (bytes) => `
table ip narrow
delete table ip narrow
table ip narrow {
  counter dropped { }
  counter large { }
  chain through {
    type filter hook forward priority filter - 5;
    meta l4proto != udp accept
    ip length > ${bytes} ip frag-off & 0x4000 != 0 counter name dropped drop
    ip length > 1280 counter name large
  }
}
`

let guarded = false

/** Makes the end of this process the end of its laboratories. */
function guardExit() {
  if (guarded) return
  guarded = true
  const removeAll = () => {
    for (const lab of alive) lab.down()
  }
  process.once('exit', removeAll)
  for (const [signal, number] of /** @type {const} */ ([['SIGINT', 2], ['SIGTERM', 15], ['SIGHUP', 1]])) {
    process.once(signal, () => process.exit(128 + number))
  }
}
