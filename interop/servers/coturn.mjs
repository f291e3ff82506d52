/** Debian's coturn in the laboratory: it proves that a test of TURN tests the right thing. */
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { reachesTcp } from '../lab/check.mjs'
import { SERVER } from '../lab/lab.mjs'

const SECRET = 'a secret of this laboratory'

/**
 * @param {import('../lab/lab.mjs').Lab} lab
 * @param {import('../browser/trust.mjs').Identity} identity
 * @param {string} name its host name
 */
export async function coturn(lab, identity, name) {
  const config = path.join(lab.folder, 'coturn.conf')
  writeFileSync(config, [
    `listening-ip=${SERVER}`,
    `relay-ip=${SERVER}`,
    'listening-port=3478',
    'tls-listening-port=443',
    'min-port=50000',
    'max-port=50999',
    'use-auth-secret',
    `static-auth-secret=${SECRET}`,
    `realm=${name}`,
    `cert=${identity.certificate}`,
    `pkey=${identity.key}`,
    `userdb=${path.join(lab.folder, 'coturn.db')}`,
    `pidfile=${path.join(lab.folder, 'coturn.pid')}`,
    `log-file=${path.join(lab.folder, 'coturn.log')}`,
    'simple-log',
    'no-cli',
    '',
  ].join('\n'))
  const child = lab.spawn('server', ['turnserver', '-c', config], { stdio: 'ignore' })
  // It prints through a buffer that is not emptied while it runs: ask the port instead.
  while (!(await reachesTcp(lab, 'server', 443))) if (child.exitCode !== null) throw new Error(`coturn ended with ${child.exitCode}`)
  const username = `${Math.floor(Date.now() / 1000) + 3600}:interop`
  const credential = createHmac('sha1', SECRET).update(username).digest('base64')
  return {
    username,
    credential,
    stop: async () => {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
  }
}
