/** A certificate authority of our own, and browsers that trust it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { command } from '../lab/namespaces.mjs'

const DAYS = '30'
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/**
 * @typedef {object} Identity PEM files.
 * @property {string} ca
 * @property {string} certificate The chain of the server.
 * @property {string} key
 */

/**
 * Makes an authority and, by it, a server's certificate.
 *
 * @param {string} folder
 * @param {string[]} names host names
 * @param {string[]} addresses
 * @returns {Identity}
 */
export function issue(folder, names, addresses = []) {
  mkdirSync(folder, { recursive: true })
  const file = (/** @type {string} */ name) => path.join(folder, name)
  const [ca, caKey, key, request, certificate, extensions] = ['ca.pem', 'ca.key', 'key.pem', 'request.pem', 'certificate.pem', 'extensions'].map(file)
  if (!ca || !caKey || !key || !request || !certificate || !extensions) throw new Error('six names')
  command(['openssl', 'req', '-x509', ...KEY, '-days', DAYS, '-subj', '/CN=Visavis laboratory', '-keyout', caKey, '-out', ca, '-addext', 'keyUsage=critical,keyCertSign'])
  command(['openssl', 'req', ...KEY, '-subj', `/CN=${names[0]}`, '-keyout', key, '-out', request])
  const subject = [...names.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP:${address}`)].join(',')
  writeFileSync(extensions, `subjectAltName=${subject}\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\nbasicConstraints=CA:FALSE\n`)
  command(['openssl', 'x509', '-req', '-in', request, '-CA', ca, '-CAkey', caKey, '-days', DAYS, '-extfile', extensions, '-out', certificate])
  return { ca, certificate, key }
}

/**
 * Makes a browser trust an authority: both browsers read an NSS database.
 *
 * @param {string} ca
 * @param {string} database a folder
 */
export function trust(ca, database) {
  mkdirSync(database, { recursive: true })
  command(['certutil', '-N', '-d', `sql:${database}`, '--empty-password'])
  command(['certutil', '-A', '-n', 'laboratory', '-t', 'C,,', '-i', ca, '-d', `sql:${database}`])
}
