/**
 * Network namespaces that belong to one run of one process, and their removal, also after that process died.
 *
 * Everything is named `vv-<run>-<name>`. Who owns a run is written down as process id and start time, so that a later
 * run can tell the leftovers of a dead process from the work of a living one.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const PREFIX = 'vv'
const STATE = path.join(tmpdir(), 'visavis-lab')

/**
 * Runs a command to its end and returns what it printed.
 *
 * @param {string[]} argv
 * @param {string} [input]
 */
export function command(argv, input) {
  const [file = '', ...args] = argv
  const { status, error, stdout, stderr } = spawnSync(file, args, { input, encoding: 'utf8' })
  if (error) throw new Error(`cannot run '${file}': ${error.message}`)
  if (status !== 0) throw new Error(`'${argv.join(' ')}' failed: ${stderr.trim() || `status ${status}`}\n${input ?? ''}`)
  return stdout
}

/** The namespaces of one run. */
export class Namespaces {
  /** @type {Set<string>} */
  #names = new Set()
  #run
  /** A folder for the files of this run; removed with it. */
  folder

  constructor() {
    sweep()
    this.#run = `${process.pid.toString(36)}${counter++}`
    this.folder = path.join(STATE, this.#run)
    mkdirSync(this.folder, { recursive: true })
    writeFileSync(path.join(this.folder, 'owner'), `${process.pid} ${startTime(process.pid)}`)
  }

  /**
   * The full name of a namespace, as `ip netns` knows it.
   *
   * @param {string} name
   */
  full(name) {
    return `${PREFIX}-${this.#run}-${name}`
  }

  /**
   * Makes a namespace with a loopback interface.
   *
   * @param {string} name
   * @param {{ forward?: boolean }} [options] Whether it is a router.
   */
  add(name, { forward = false } = {}) {
    command(['ip', 'netns', 'add', this.full(name)])
    this.#names.add(name)
    command(['ip', '-n', this.full(name), 'link', 'set', 'lo', 'up'])
    const settings = ['ipv4/conf/all/rp_filter=0', 'ipv4/conf/default/rp_filter=0', `ipv4/ip_forward=${forward ? 1 : 0}`]
    const writes = settings.map((setting) => setting.split('=')).map(([key, value]) => `echo ${value} > /proc/sys/net/${key}`)
    this.exec(name, ['sh', '-ec', writes.join('\n')])
  }

  /**
   * Joins two namespaces by a cable with one address at each end.
   *
   * @param {{ name: string, device: string, address: string }} a
   * @param {{ name: string, device: string, address: string }} b
   */
  connect(a, b) {
    const [x, y] = [this.full(a.name), this.full(b.name)]
    command(['ip', 'link', 'add', a.device, 'netns', x, 'type', 'veth', 'peer', 'name', b.device, 'netns', y])
    for (const [end, other] of /** @type {const} */ ([[a, b], [b, a]])) {
      const name = this.full(end.name)
      command(['ip', '-n', name, 'addr', 'add', end.address, 'peer', other.address, 'dev', end.device])
      command(['ip', '-n', name, 'link', 'set', end.device, 'up'])
      // With offloads a "packet" may be 64 KiB long or have no checksum yet: not what a wire carries.
      this.exec(end.name, ['ethtool', '-K', end.device, ...OFFLOADS.flatMap((offload) => [offload, 'off'])])
    }
  }

  /**
   * Adds a route.
   *
   * @param {string} name
   * @param {string} to
   * @param {string} via
   */
  route(name, to, via) {
    command(['ip', '-n', this.full(name), 'route', 'add', to, 'via', via])
  }

  /**
   * Runs a command inside to its end.
   *
   * @param {string} name
   * @param {string[]} argv
   * @param {string} [input]
   */
  exec(name, argv, input) {
    return command(['ip', 'netns', 'exec', this.full(name), ...argv], input)
  }

  /** Ends what runs inside and removes everything. Never throws; may be called again. */
  remove() {
    for (const name of this.#names) removeNamespace(this.full(name))
    this.#names.clear()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const OFFLOADS = ['tx', 'rx', 'tso', 'gso', 'gro']
let counter = 0

/**
 * Removes what dead runs left behind.
 *
 * @returns {string[]} the namespaces that were removed
 */
export function sweep() {
  const pattern = new RegExp(`^${PREFIX}-([a-z0-9]+)-`)
  const removed = []
  for (const line of command(['ip', 'netns', 'list']).split('\n')) {
    const [name = ''] = line.split(' ')
    const run = pattern.exec(name)?.[1]
    if (!run || owned(run)) continue
    removeNamespace(name)
    removed.push(name)
  }
  for (const run of folders()) if (!owned(run)) rmSync(path.join(STATE, run), { recursive: true, force: true })
  return removed
}

/** @param {string} full */
function removeNamespace(full) {
  const { stdout } = spawnSync('ip', ['netns', 'pids', full], { encoding: 'utf8' })
  for (const pid of (stdout ?? '').split(/\s+/).filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It ended by itself meanwhile.
    }
  }
  spawnSync('ip', ['netns', 'delete', full])
}

/** Whether the process that made a run still lives. @param {string} run */
function owned(run) {
  try {
    const [pid = '', started] = readFileSync(path.join(STATE, run, 'owner'), 'utf8').split(' ')
    return startTime(Number(pid)) === started
  } catch {
    return false
  }
}

function folders() {
  try {
    return readdirSync(STATE)
  } catch {
    return []
  }
}

/** When a process started, in ticks since boot (proc(5), field 22): a process id alone may be used again. @param {number} pid */
function startTime(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}
