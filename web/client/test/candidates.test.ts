import { expect, test } from 'vitest'
import { promising } from '../src/candidates.js'

const candidate = (address: string, type: string) => ({ candidate: `candidate:1 1 udp 2122260223 ${address} 4000 typ ${type} generation 0` })
const ours = (...addresses: string[]) => addresses.map((address) => `a=candidate:1 1 udp 1686052607 ${address} 4000 typ srflx raddr 10.0.0.9 rport 4000\r\n`).join('')

test.each([
  ['other homes', ours('203.0.113.1'), ['192.168.1.2 host', '203.0.113.2 srflx', '203.0.113.9 relay'], ['192.168.1.2']],
  ['a name of multicast DNS', ours('203.0.113.1'), ['1f4712db-ea17-4bcf-a596-105139dfd8bf.local host', '203.0.113.2 srflx'], ['1f4712db-ea17-4bcf-a596-105139dfd8bf.local']],
  ['IPv6', ours('203.0.113.1'), ['fd00::2 host', 'FE80::2 host', '2001:db8::2 host', '203.0.113.2 srflx'], ['fd00::2', 'FE80::2']],
  ['the same home', ours('203.0.113.1'), ['192.168.1.2 host', '203.0.113.1 srflx'], []],
  ['one of several networks is the same', ours('203.0.113.1', '198.51.100.1'), ['192.168.1.2 host', '198.51.100.1 srflx'], []],
  ['they are not behind a NAT, or it is not known', ours('203.0.113.1'), ['192.168.1.2 host'], []],
  ['we are not', '', ['192.168.1.2 host', '203.0.113.2 srflx'], []],
  ['a public address', ours('203.0.113.1'), ['203.0.113.2 host', '172.32.0.1 host', '100.128.0.1 host', '198.51.100.2 srflx'], []],
  ['private ones', ours('203.0.113.1'), ['10.1.2.3 host', '172.31.0.1 host', '100.127.0.1 host', '198.51.100.2 srflx'], ['10.1.2.3', '172.31.0.1', '100.127.0.1']],
  ['nonsense', ours('203.0.113.1'), [' ', 'x host'], []],
])('%s', (_, local, theirs, expected) => {
  const all = theirs.map((line) => { const [address = '', type = ''] = line.split(' '); return candidate(address, type) })
  const { now, later } = promising(all, local)
  expect(later.map(({ candidate }) => candidate.split(' ')[4])).toEqual(expected)
  expect(now).toEqual(all.filter((one) => !later.includes(one)))
})
