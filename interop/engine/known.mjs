/** What does not work, and why: a stack's reason, not ours. A step that works after all is an error too. */

/** @type {{ peer: string, role?: 'offers' | 'answers', steps: string[], why: string }[]} */
const KNOWN = []

/** The reasons by step. @param {string} peer @param {'offers' | 'answers'} role @returns {Record<string, string>} */
export function known(peer, role) {
  const found = KNOWN.filter((entry) => entry.peer === peer && (entry.role ?? role) === role)
  return Object.fromEntries(found.flatMap(({ steps, why }) => steps.map((step) => [step, why])))
}
