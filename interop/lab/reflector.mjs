/**
 * A STUN server with two addresses and two ports, as RFC 5780 needs it: `node reflector.mjs ADDRESS OTHER [PORT OTHER]`.
 * Prints `ready` once all four sockets are bound.
 */
import dgram from 'node:dgram'
import { once } from 'node:events'
import { parseRequest, response } from './stun.mjs'

const [first = '', second = '', port = '3478', otherPort = '3479'] = process.argv.slice(2)
const [addresses, ports] = [[first, second], [Number(port), Number(otherPort)]]

/** Sockets by the index of their address and port. */
const sockets = addresses.map((address) => ports.map((number) => dgram.createSocket('udp4').bind(number, address)))

await Promise.all(sockets.flat().map((socket) => once(socket, 'listening')))
sockets.forEach((row, a) => row.forEach((socket, p) => socket.on('message', (bytes, from) => answer(bytes, from, a, p))))
console.log('ready')

/** @param {Buffer} bytes @param {dgram.RemoteInfo} from @param {number} a @param {number} p */
function answer(bytes, from, a, p) {
  const asked = parseRequest(bytes)
  if (!asked) return
  const other = { address: addresses[1 - a] ?? '', port: ports[1 - p] ?? 0 }
  const socket = sockets[asked.ip ? 1 - a : a]?.[asked.port ? 1 - p : p]
  socket?.send(response(asked.id, from, other), from.port, from.address)
}
