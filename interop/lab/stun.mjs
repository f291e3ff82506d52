/** As much of STUN (RFC 8489) and of NAT behaviour discovery (RFC 5780) as the laboratory's own check of itself needs. */

const BINDING = 0x0001
const SUCCESS = 0x0101
const COOKIE = 0x2112a442
const CHANGE_REQUEST = 0x0003
const XOR_MAPPED_ADDRESS = 0x0020
const OTHER_ADDRESS = 0x802c

/** @typedef {{ address: string, port: number }} Endpoint */

/**
 * A Binding request.
 *
 * @param {Buffer} id 12 random bytes
 * @param {{ ip?: boolean, port?: boolean }} [change] From which of the server's addresses to answer (RFC 5780 §7.2).
 */
export function request(id, { ip = false, port = false } = {}) {
  const flags = Buffer.alloc(4)
  flags.writeUInt32BE((ip ? 4 : 0) | (port ? 2 : 0))
  return message(BINDING, id, [[CHANGE_REQUEST, flags]])
}

/**
 * Reads a Binding request; null if it is none.
 *
 * @param {Buffer} bytes
 */
export function parseRequest(bytes) {
  const parsed = parse(bytes, BINDING)
  if (!parsed) return null
  const flags = parsed.attributes.get(CHANGE_REQUEST)?.readUInt32BE(0) ?? 0
  return { id: parsed.id, ip: (flags & 4) !== 0, port: (flags & 2) !== 0 }
}

/**
 * A Binding success response.
 *
 * @param {Buffer} id
 * @param {Endpoint} mapped where the request came from
 * @param {Endpoint} other the server's other address and port
 */
export function response(id, mapped, other) {
  return message(SUCCESS, id, [[XOR_MAPPED_ADDRESS, address(mapped, COOKIE)], [OTHER_ADDRESS, address(other, 0)]])
}

/**
 * Reads a Binding success response; null if it is none.
 *
 * @param {Buffer} bytes
 */
export function parseResponse(bytes) {
  const parsed = parse(bytes, SUCCESS)
  const mapped = parsed?.attributes.get(XOR_MAPPED_ADDRESS)
  if (!parsed || !mapped) return null
  const other = parsed.attributes.get(OTHER_ADDRESS)
  return { id: parsed.id, mapped: parseAddress(mapped, COOKIE), other: other ? parseAddress(other, 0) : null }
}

/** @param {number} type @param {Buffer} id @param {[number, Buffer][]} attributes each value a multiple of 4 long */
function message(type, id, attributes) {
  const body = attributes.flatMap(([kind, value]) => {
    const head = Buffer.alloc(4)
    head.writeUInt16BE(kind, 0)
    head.writeUInt16BE(value.length, 2)
    return [head, value]
  })
  const head = Buffer.alloc(8)
  head.writeUInt16BE(type, 0)
  head.writeUInt16BE(body.reduce((sum, part) => sum + part.length, 0), 2)
  head.writeUInt32BE(COOKIE, 4)
  return Buffer.concat([head, id, ...body])
}

/** @param {Buffer} bytes @param {number} type */
function parse(bytes, type) {
  if (bytes.length < 20 || bytes.readUInt16BE(0) !== type || bytes.readUInt32BE(4) !== COOKIE) return null
  /** @type {Map<number, Buffer>} */
  const attributes = new Map()
  for (let at = 20; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16BE(at + 2)
    attributes.set(bytes.readUInt16BE(at), bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length + ((4 - (length % 4)) % 4)
  }
  return { id: bytes.subarray(8, 20), attributes }
}

/** @param {Endpoint} endpoint @param {number} mask */
function address({ address: ip, port }, mask) {
  const value = Buffer.alloc(8)
  value.writeUInt8(1, 1)
  value.writeUInt16BE(port ^ (mask >>> 16), 2)
  value.writeUInt32BE((ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) ^ mask) >>> 0, 4)
  return value
}

/** @param {Buffer} value @param {number} mask @returns {Endpoint} */
function parseAddress(value, mask) {
  const number = (value.readUInt32BE(4) ^ mask) >>> 0
  return { address: [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.'), port: value.readUInt16BE(2) ^ (mask >>> 16) }
}
