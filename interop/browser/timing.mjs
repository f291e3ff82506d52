/** How long people wait to see each other. */

/**
 * Waits as long as people need at least to see that somebody calls and to press Accept: until both pages have prepared
 * what can be prepared, a path over relays included.
 *
 * @param {import('./person.mjs').Person[]} people
 */
export async function rung(people) {
  for (const person of people) {
    await person.until('the call is prepared', () => person.page.evaluate(() => {
      /** @type {RTCPeerConnection[]} */
      const connections = Reflect.get(window, 'interop').connections
      const open = connections.find(({ connectionState }) => connectionState !== 'closed')
      return open?.connectionState === 'connected'
    }))
  }
}

/**
 * Milliseconds from the press of Accept until the later of the two saw the first frame of the other. The clocks of
 * both pages are this machine's.
 *
 * @param {[import('./person.mjs').Person, import('./person.mjs').Person]} people caller and callee
 * @param {Awaited<ReturnType<import('./person.mjs').Person['marks']>>[]} before their marks before the call
 */
export async function firstFrames(people, before) {
  const times = await Promise.all(people.map(async (person, n) => {
    /** @type {number | undefined} */
    let at
    await person.until('the first frame is seen', async () => {
      at = (await person.marks()).frames[before[n]?.frames.length ?? 0]?.at
      return at !== undefined
    })
    return at ?? 0
  }))
  const { clicks } = await people[1].marks()
  const accept = clicks.findLast(({ name }) => name === 'Accept' || name === 'Join')
  if (!accept) throw new Error('nobody pressed Accept')
  return Math.max(...times) - accept.at
}
