/** Ports of the loopback. */
import { once } from 'node:events'
import net from 'node:net'

/** One that nobody listens on. */
export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {net.AddressInfo} */ (server.address())
  server.close()
  await once(server, 'close')
  return port
}

/** Whether somebody listens there. @param {number} port */
export async function reaches(port) {
  const socket = net.connect(port, '127.0.0.1')
  const outcome = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(() => false)
  socket.destroy()
  return outcome
}
