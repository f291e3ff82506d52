/**
 * A way from this process to a port on the loopback of a laboratory host. Network namespaces share no network, but
 * they share the file system: a socket in a folder joins the two ends.
 *
 * Run as a program (`node tunnel.mjs SOCKET PORT`) this file is the far end.
 */
import { once } from 'node:events'
import net from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const SELF = fileURLToPath(import.meta.url)

/**
 * @typedef {object} Tunnel
 * @property {number} port The same on this machine's loopback and on the host's.
 * @property {() => void} close
 */

/**
 * Finds a free port and, where a host is given, makes it lead there.
 *
 * @param {import('../lab/lab.mjs').Lab | undefined} lab
 * @param {string | undefined} host
 * @param {string} folder
 * @returns {Promise<Tunnel>}
 */
export async function tunnel(lab, host, folder) {
  const near = net.createServer()
  near.listen(0, '127.0.0.1')
  await once(near, 'listening')
  const { port } = /** @type {net.AddressInfo} */ (near.address())
  if (!lab || !host) {
    near.close()
    await once(near, 'close')
    return { port, close: () => {} }
  }
  const socket = path.join(folder, 'tunnel')
  near.on('connection', (from) => join(from, net.connect(socket)))
  near.unref()
  const far = lab.spawn(host, [process.execPath, SELF, socket, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] })
  if (!far.stdout) throw new Error('stdout is a pipe')
  await once(far.stdout, 'data')
  return {
    port,
    close: () => {
      near.close()
      far.kill()
    },
  }
}

/** @param {net.Socket} a @param {net.Socket} b */
function join(a, b) {
  a.pipe(b).pipe(a)
  a.on('error', () => b.destroy())
  b.on('error', () => a.destroy())
}

if (process.argv[1] === SELF) {
  const [socket = '', port = '0'] = process.argv.slice(2)
  net.createServer((from) => join(from, net.connect(Number(port), '127.0.0.1'))).listen(socket, () => console.log('ready'))
}
