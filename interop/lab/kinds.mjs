/**
 * The kinds of home that the laboratory can build, in the terms of RFC 4787, the nftables rules that make them,
 * and the model that says whether two of them can have a direct path.
 */

/**
 * How a home's NAT and firewall behave.
 *
 * @typedef {object} Behaviour
 * @property {'none' | 'endpoint-independent' | 'address-and-port-dependent'} mapping RFC 4787 §4.1; `none`: no NAT.
 * @property {'none' | 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'} filtering RFC 4787 §5.
 * @property {boolean} udp Whether any UDP passes.
 * @property {'any' | 'only-443'} tcp Which outgoing TCP connections pass.
 */

/** @typedef {keyof typeof KINDS} Kind */

/** @type {Readonly<Record<string, Behaviour>>} */
const BEHAVIOURS = {
  'public': { mapping: 'none', filtering: 'none', udp: true, tcp: 'any' },
  'full-cone': { mapping: 'endpoint-independent', filtering: 'endpoint-independent', udp: true, tcp: 'any' },
  'address-restricted': { mapping: 'endpoint-independent', filtering: 'address-dependent', udp: true, tcp: 'any' },
  'port-restricted': { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', udp: true, tcp: 'any' },
  'symmetric': { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent', udp: true, tcp: 'any' },
  // Two port-restricted NATs in a row behave as one.
  'cgnat': { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', udp: true, tcp: 'any' },
  'udp-blocked': { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', udp: false, tcp: 'any' },
  'only-tls-443': { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', udp: false, tcp: 'only-443' },
}

/** Every kind by name. */
export const KINDS = Object.freeze(BEHAVIOURS)

/**
 * What ICE must reach between two homes: each side has host, server-reflexive and relayed candidates.
 *
 * @param {string} a
 * @param {string} b
 * @returns {'direct' | 'relayed'}
 */
export function route(a, b) {
  const [x, y] = [behaviour(a), behaviour(b)]
  if (!x.udp || !y.udp) return 'relayed'
  return reaches(x, y) || reaches(y, x) ? 'direct' : 'relayed'
}

/**
 * How a home reaches its own relay when it needs one: the first of UDP, TCP and TLS that passes.
 *
 * @param {string} kind
 * @returns {'udp' | 'tcp' | 'tls'}
 */
export function relayProtocol(kind) {
  const { udp, tcp } = behaviour(kind)
  if (udp) return 'udp'
  return tcp === 'any' ? 'tcp' : 'tls'
}

/**
 * Whether a check from `from` to the server-reflexive (or host) candidate of `to` can arrive, once `to` has itself
 * sent to every candidate it knows of `from`. One way suffices: the answer makes the pair (RFC 8445 §7.3.1.3,
 * peer-reflexive candidates).
 *
 * @param {Behaviour} from
 * @param {Behaviour} to
 */
function reaches(from, to) {
  const toIsKnown = to.mapping !== 'address-and-port-dependent'
  const fromIsKnown = from.mapping !== 'address-and-port-dependent'
  return toIsKnown && (to.filtering !== 'address-and-port-dependent' || fromIsKnown)
}

/** @param {string} kind */
export function behaviour(kind) {
  const found = KINDS[kind]
  if (!found) throw new Error(`no home of kind '${kind}'; there are: ${Object.keys(KINDS).join(', ')}`)
  return found
}

/**
 * The nftables rules of a NAT box between the interfaces `lan*` and `wan`.
 *
 * Linux keeps the source port of a masqueraded flow where it is free, which makes the mapping endpoint-independent as
 * long as no two hosts behind the box use the same port. The box drops what it did not ask for instead of rejecting
 * it: an answer, or a confirmed connection-tracking entry, would spoil the mapping that a later packet needs.
 *
 * @param {string} kind
 * @param {{ wan: string, lan: string, hairpin: boolean }} box The outer address, the inner network, and whether inner
 *   hosts reach each other through the outer address (RFC 4787 §6, with the external source address).
 */
export function rules(kind, { wan, lan, hairpin }) {
  const { mapping, filtering, udp, tcp } = behaviour(kind)
  const inbound = {
    'endpoint-independent': 'iifname "wan" meta l4proto udp dnat ip to udp dport map @mappings',
    'address-dependent': 'iifname "wan" meta l4proto udp udp dport . ip saddr @contacted dnat ip to udp dport map @mappings',
    'address-and-port-dependent': '',
    'none': '',
  }[filtering]
  const random = mapping === 'address-and-port-dependent' ? 'oifname "wan" meta l4proto udp masquerade fully-random' : ''
  const remember = `meta l4proto udp ip saddr ${lan} update @mappings { udp sport : ip saddr . udp sport }`
  return `
table ip home {
  map mappings { type inet_service : ipv4_addr . inet_service; flags dynamic, timeout; timeout 2m; size 65535; }
  set contacted { type inet_service . ipv4_addr; flags dynamic, timeout; timeout 2m; size 65535; }
  chain inbound {
    type nat hook prerouting priority dstnat;
    ${inbound}
    ${hairpin ? `iifname "lan*" ip daddr ${wan} meta l4proto udp dnat ip to udp dport map @mappings` : ''}
  }
  chain remember {
    type filter hook postrouting priority srcnat - 1;
    oifname "wan" ${remember}
    oifname "wan" meta l4proto udp ip saddr ${lan} update @contacted { udp sport . ip daddr }
    ${hairpin ? `oifname "lan*" ct status dnat ${remember}` : ''}
  }
  chain translate {
    type nat hook postrouting priority srcnat;
    ${random}
    oifname "wan" masquerade
    ${hairpin ? `oifname "lan*" ct status dnat ip saddr ${lan} snat to ${wan}` : ''}
  }
  chain through {
    type filter hook forward priority filter;
    ${udp ? '' : 'meta l4proto udp drop'}
    ${tcp === 'any' ? '' : 'iifname "lan*" meta l4proto tcp tcp dport != 443 drop'}
    iifname "wan" ct state new ct status dnat accept
    iifname "wan" ct state new drop
  }
  chain inside {
    type filter hook input priority filter;
    iifname "wan" ct state new drop
    ${hairpin ? `iifname "lan*" ip daddr ${wan} meta l4proto udp drop` : ''}
  }
}
`
}
