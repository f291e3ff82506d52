/** The laboratory checks itself: homes behave as their kind says, and nothing is left behind. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { probeHomes, reachesTcp } from './lab/check.mjs'
import { KINDS, behaviour, relayProtocol, route } from './lab/kinds.mjs'
import { Lab, SERVER } from './lab/lab.mjs'
import { command, sweep } from './lab/namespaces.mjs'
import { needRoot } from './lab/privilege.mjs'

needRoot()

const CLI = fileURLToPath(new URL('lab/cli.mjs', import.meta.url))

describe('homes', () => {
  /** @type {Lab} */
  let lab
  const kinds = Object.keys(KINDS)
  const hairpins = ['full-cone', 'port-restricted', 'symmetric']

  before(() => {
    const plain = kinds.map((kind) => [kind, kind])
    const hairpin = hairpins.map((kind) => [`${kind}-hairpin`, { kind, hairpin: true }])
    lab = Lab.up({ homes: Object.fromEntries([...plain, ...hairpin]), names: { 'visavis.test': SERVER } })
  })
  after(() => lab.down())

  test('behave as their kind says (RFC 5780)', async () => {
    const found = await probeHomes(lab, kinds)
    kinds.forEach((kind, n) => {
      const { udp, mapping, filtering } = behaviour(kind)
      const translated = mapping !== 'none'
      const open = 'endpoint-independent'
      const expected = { udp, translated, mapping: translated ? mapping : open, filtering: translated ? filtering : open, hairpin: !translated }
      assert.deepEqual(found[n], udp ? expected : { udp }, kind)
    })
  })

  test('reach themselves by their outer address where hairpinning is on', async () => {
    const found = await probeHomes(lab, hairpins.map((kind) => `${kind}-hairpin`))
    // Behind a symmetric NAT the address that a server sees is not the one that a neighbour would need.
    assert.deepEqual(found.map(({ hairpin }) => hairpin), [true, true, false])
  })

  test('let TCP through where their kind says so', async () => {
    const listener = `for (const port of [443, 3478]) require('net').createServer().listen(port, '${SERVER}', () => console.log(port))`
    const server = lab.spawn('server', [process.execPath, '-e', listener], { stdio: ['ignore', 'pipe', 'inherit'] })
    assert(server.stdout)
    await once(server.stdout, 'data')
    const found = await Promise.all(kinds.map(async (kind) => [kind, await reachesTcp(lab, kind, 443), await reachesTcp(lab, kind, 3478)]))
    assert.deepEqual(found, kinds.map((kind) => [kind, true, behaviour(kind).tcp === 'any']))
  })

  test('know the names they were given', async () => {
    const { stdout } = await lab.run('symmetric', ['getent', 'hosts', 'visavis.test'])
    assert.match(stdout, new RegExp(`^${SERVER}\\s+visavis.test`))
  })

  test('cannot reach the network outside', async () => {
    const { stdout } = await lab.run('public', ['ip', 'route', 'get', '198.51.100.1'])
    assert.match(stdout, /via 203\.0\.113\.1 /)
    const routes = await lab.run('server', ['ip', 'route'])
    assert.doesNotMatch(routes.stdout, /dev (?!eth0)/)
  })
})

test('the model of routes is symmetric and knows the classical cases', () => {
  const kinds = Object.keys(KINDS)
  for (const a of kinds) for (const b of kinds) assert.equal(route(a, b), route(b, a), `${a}, ${b}`)
  /** @type {[string, string, string][]} */
  const table = [
    ['public', 'symmetric', 'direct'],
    ['full-cone', 'symmetric', 'direct'],
    ['address-restricted', 'symmetric', 'direct'],
    ['port-restricted', 'symmetric', 'relayed'],
    ['symmetric', 'symmetric', 'relayed'],
    ['port-restricted', 'port-restricted', 'direct'],
    ['cgnat', 'port-restricted', 'direct'],
    ['public', 'udp-blocked', 'relayed'],
    ['only-tls-443', 'only-tls-443', 'relayed'],
  ]
  for (const [a, b, expected] of table) assert.equal(route(a, b), expected, `${a}, ${b}`)
  assert.deepEqual(['symmetric', 'udp-blocked', 'only-tls-443'].map(relayProtocol), ['udp', 'tcp', 'tls'])
})

describe('nothing is left behind', () => {
  const namespaces = () => command(['ip', 'netns', 'list'])

  /** A laboratory in a process of its own. @returns {Promise<{ child: import('node:child_process').ChildProcess, run: string }>} */
  async function elsewhere() {
    const child = spawn(process.execPath, [CLI, 'up', 'a=symmetric'], { stdio: ['pipe', 'pipe', 'inherit'] })
    assert(child.stdout)
    const [text] = await once(child.stdout, 'data')
    const run = /netns exec (vv-[a-z0-9]+)-/.exec(String(text))?.[1]
    assert(run)
    assert(namespaces().includes(run))
    return { child, run }
  }

  test('when the process is asked to end', async () => {
    const { child, run } = await elsewhere()
    child.kill('SIGTERM')
    await once(child, 'exit')
    assert(!namespaces().includes(run))
  })

  test('when it was killed outright, by the next run', async () => {
    const { child, run } = await elsewhere()
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert(namespaces().includes(run))
    assert(sweep().some((name) => name.startsWith(run)))
    assert(!namespaces().includes(run))
  })

  test('and a living run is left alone', async () => {
    const { child, run } = await elsewhere()
    sweep()
    assert(namespaces().includes(run))
    child.kill('SIGTERM')
    await once(child, 'exit')
  })
})
