/** Asks the homes of a laboratory how they behave, by packets. */
import { fileURLToPath } from 'node:url'
import { SERVER, SERVER_OTHER } from './lab.mjs'

const REFLECTOR = fileURLToPath(new URL('reflector.mjs', import.meta.url))
const PROBE = fileURLToPath(new URL('probe.mjs', import.meta.url))

/**
 * What a probe found.
 *
 * @typedef {object} Findings
 * @property {boolean} udp Whether UDP reaches the internet and back; if not, there is nothing else.
 * @property {boolean} [translated] Whether the internet sees another address than the host's own.
 * @property {string} [mapping]
 * @property {string} [filtering]
 * @property {boolean} [hairpin]
 */

/**
 * Probes several homes at once.
 *
 * @param {import('./lab.mjs').Lab} lab
 * @param {string[]} hosts
 * @returns {Promise<Findings[]>}
 */
export async function probeHomes(lab, hosts) {
  const reflector = lab.spawn('server', [process.execPath, REFLECTOR, SERVER, SERVER_OTHER], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve, reject) => {
    reflector.stdout?.once('data', resolve)
    reflector.once('exit', () => reject(new Error('the STUN server of the laboratory did not start')))
  })
  const found = await Promise.all(hosts.map((host) => lab.run(host, [process.execPath, PROBE, SERVER])))
  reflector.kill()
  return found.map(({ stdout, stderr }, n) => {
    if (!stdout) throw new Error(`the probe on '${hosts[n]}' failed: ${stderr}`)
    return JSON.parse(stdout)
  })
}

/**
 * Whether a host can open a TCP connection.
 *
 * @param {import('./lab.mjs').Lab} lab
 * @param {string} host
 * @param {number} port on the server
 */
export async function reachesTcp(lab, host, port) {
  const script = `const s = require('net').connect(${port}, '${SERVER}'); s.setTimeout(700, () => process.exit(1)); s.on('error', () => process.exit(2)); s.on('connect', () => process.exit(0))`
  const { code } = await lab.run(host, [process.execPath, '-e', script])
  return code === 0
}
