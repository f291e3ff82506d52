/**
 * WebRTC stacks that nobody here wrote relay through our TURN server, over UDP, TCP and TLS, each from a home where
 * nothing else passes. With `INTEROP_TURN=coturn` the same tests run against coturn, which proves the tests.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { issue } from './browser/trust.mjs'
import { Lab, SERVER } from './lab/lab.mjs'
import { needRoot } from './lab/privilege.mjs'
import { coturn } from './servers/coturn.mjs'
import { STACKS } from './stacks/stacks.mjs'
import { visavisTurn } from './servers/visavis.mjs'

needRoot()

const NAME = 'visavis.test'
const MESSAGES = 100
const SIZE = 1000

/** The home from which only this way leads to the server, and its URL. */
const WAYS = {
  udp: { home: 'restricted', url: `turn:${NAME}:3478?transport=udp` },
  tcp: { home: 'blocked', url: `turn:${NAME}:3478?transport=tcp` },
  tls: { home: 'tls', url: `turns:${NAME}:443?transport=tcp` },
}

describe('relaying through TURN', () => {
  /** @type {Lab} */
  let lab
  /** @type {import('./browser/trust.mjs').Identity} */
  let identity
  /** @type {{ username: string, credential: string, stop: () => Promise<void> }} */
  let server

  before(async () => {
    lab = Lab.up({ homes: { restricted: 'port-restricted', blocked: 'udp-blocked', tls: 'only-tls-443' }, names: { [NAME]: SERVER } })
    identity = issue(lab.folder, [NAME], [SERVER])
    server = await (process.env['INTEROP_TURN'] === 'coturn' ? coturn(lab, identity, NAME) : visavisTurn(lab, identity, NAME))
  })
  after(async () => {
    await server?.stop()
    lab?.down()
  })

  for (const stack of STACKS) {
    const missing = stack.missing()
    for (const way of stack.ways) {
      const { home, url } = WAYS[way]
      test(`${stack.name} over ${way.toUpperCase()}`, { skip: missing, timeout: 40_000 }, async (t) => {
        const task = { url, username: server.username, credential: server.credential, messages: MESSAGES, size: SIZE }
        const argv = [...stack.prepare(lab.folder), JSON.stringify(task)]
        const { code, stdout, stderr } = await lab.run(home, ['timeout', '30', 'env', `SSL_CERT_FILE=${identity.ca}`, ...argv])
        assert.equal(code, 0, `${stack.name} ended with ${code}:\n${stderr}${stdout}`)
        const { candidates, received, intact, ms } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
        assert(candidates.length >= 2, 'both sides have an allocation')
        assert.deepEqual(new Set(candidates), new Set(['relay']))
        assert.deepEqual({ received, intact }, { received: 2 * MESSAGES, intact: true })
        t.diagnostic(`${ms} ms from nothing to the last of ${received} messages of ${SIZE} bytes`)
      })
    }
  }
})
