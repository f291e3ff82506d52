/**
 * Says how the NAT in front of this host behaves (RFC 5780 §4), as one line of JSON:
 * `node probe.mjs SERVER [PORT]`. The server must have two addresses.
 */
import { randomBytes } from 'node:crypto'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { parseResponse, request } from './stun.mjs'

const [server = '', port = '3478'] = process.argv.slice(2)

/** A silence of this many milliseconds, after that many requests, counts as "filtered". */
const PATIENCE = 150
const ATTEMPTS = 3

console.log(JSON.stringify(await probe({ address: server, port: Number(port) })))

/** @param {import('./stun.mjs').Endpoint} primary */
async function probe(primary) {
  const mapping = await open()
  const filtering = await open()
  try {
    const first = await ask(mapping, primary)
    if (!first?.other) return { udp: false }
    const { mapped, other } = first
    return {
      udp: true,
      translated: !own(mapped.address),
      mapping: await mappingBehaviour(mapping, mapped, primary, other),
      filtering: await filteringBehaviour(filtering, primary),
      hairpin: await hairpin(mapping, mapped),
    }
  } finally {
    mapping.close()
    filtering.close()
  }
}

/**
 * RFC 5780 §4.3.
 *
 * @param {dgram.Socket} socket
 * @param {import('./stun.mjs').Endpoint} mapped
 * @param {import('./stun.mjs').Endpoint} primary
 * @param {import('./stun.mjs').Endpoint} other
 */
async function mappingBehaviour(socket, mapped, primary, other) {
  const second = await ask(socket, { address: other.address, port: primary.port })
  if (second && same(second.mapped, mapped)) return 'endpoint-independent'
  const third = await ask(socket, other)
  return second && third && same(second.mapped, third.mapped) ? 'address-dependent' : 'address-and-port-dependent'
}

/** RFC 5780 §4.4, from a socket that has sent to nobody else. @param {dgram.Socket} socket @param {import('./stun.mjs').Endpoint} primary */
async function filteringBehaviour(socket, primary) {
  await ask(socket, primary)
  if (await ask(socket, primary, { ip: true, port: true })) return 'endpoint-independent'
  return (await ask(socket, primary, { port: true })) ? 'address-dependent' : 'address-and-port-dependent'
}

/** Whether a second socket here reaches the first by its outer address (RFC 5780 §4.5). @param {dgram.Socket} socket @param {import('./stun.mjs').Endpoint} mapped */
async function hairpin(socket, mapped) {
  const sender = await open()
  const id = randomBytes(12)
  /** @type {Promise<boolean>} */
  const arrived = new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), PATIENCE * ATTEMPTS)
    socket.on('message', (bytes) => {
      if (!bytes.includes(id)) return
      clearTimeout(timer)
      resolve(true)
    })
  })
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) sender.send(request(id), mapped.port, mapped.address)
  const result = await arrived
  sender.close()
  return result
}

/**
 * One transaction; null if no answer came.
 *
 * @param {dgram.Socket} socket
 * @param {import('./stun.mjs').Endpoint} to
 * @param {{ ip?: boolean, port?: boolean }} [change]
 */
async function ask(socket, to, change) {
  const id = randomBytes(12)
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    socket.send(request(id, change), to.port, to.address)
    const answer = await answerTo(socket, id)
    if (answer) return answer
  }
  return null
}

/** @param {dgram.Socket} socket @param {Buffer} id @returns {Promise<ReturnType<typeof parseResponse>>} */
function answerTo(socket, id) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => finish(null), PATIENCE)
    /** @param {Buffer} bytes */
    const listen = (bytes) => {
      const parsed = parseResponse(bytes)
      if (parsed?.id.equals(id)) finish(parsed)
    }
    /** @param {ReturnType<typeof parseResponse>} result */
    const finish = (result) => {
      clearTimeout(timer)
      socket.off('message', listen)
      resolve(result)
    }
    socket.on('message', listen)
  })
}

async function open() {
  const socket = dgram.createSocket('udp4').bind(0)
  // A network that refuses says so by an error; to us that is the same as silence.
  socket.on('error', () => {})
  await once(socket, 'listening')
  return socket
}

/** Whether an address is one of this host's own. @param {string} address */
function own(address) {
  return Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.address === address))
}

/** @param {import('./stun.mjs').Endpoint} a @param {import('./stun.mjs').Endpoint} b */
function same(a, b) {
  return a.address === b.address && a.port === b.port
}
