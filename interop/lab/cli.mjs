/**
 * The laboratory by hand:
 *
 *   npm run lab -- up a=symmetric b=full-cone+hairpin     stays up until Ctrl-C; prints how to enter each host
 *   npm run lab -- probe symmetric full-cone …            says how homes of these kinds behave
 *   npm run lab -- down                                   removes what dead runs left behind
 */
import { KINDS } from './kinds.mjs'
import { Lab } from './lab.mjs'
import { probeHomes } from './check.mjs'
import { sweep } from './namespaces.mjs'
import { needRoot } from './privilege.mjs'

const USAGE = `usage: cli.mjs up NAME=KIND[+hairpin] … | probe [KIND …] | down
kinds: ${Object.keys(KINDS).join(', ')}`

const [verb, ...words] = process.argv.slice(2)
if (verb === 'up' && words.length > 0) up()
else if (verb === 'probe') await probe()
else if (verb === 'down') down()
else {
  console.error(USAGE)
  process.exit(2)
}

function up() {
  needRoot()
  const homes = words.map((word) => {
    const [name = '', rest = ''] = word.split('=')
    const [kind = '', ...options] = rest.split('+')
    return [name, { kind, hairpin: options.includes('hairpin') }]
  })
  const lab = Lab.up({ homes: Object.fromEntries(homes) })
  for (const name of ['server', ...homes.map(([name]) => String(name))]) {
    console.log(`${name} (${lab.address(name)}): ${lab.argv(name, ['bash']).slice(0, 5).join(' ')}`)
  }
  console.log('Ctrl-C takes it down.')
  process.stdin.resume()
}

async function probe() {
  needRoot()
  const kinds = words.length > 0 ? words : Object.keys(KINDS)
  const lab = Lab.up({ homes: Object.fromEntries(kinds.map((kind, n) => [`h${n}`, kind])) })
  const found = await probeHomes(lab, kinds.map((_, n) => `h${n}`))
  console.table(Object.fromEntries(kinds.map((kind, n) => [kind, found[n]])))
  lab.down()
}

function down() {
  needRoot()
  const removed = sweep()
  console.log(removed.length > 0 ? `removed ${removed.join(', ')}` : 'nothing was left behind')
}

