/** Somebody who is in a room without media, by the signalling protocol alone: gives keys, and says how things are there. */
import { once } from 'node:events'
import WebSocket from 'ws'

export class Owner {
  /** Everything that the server has said. @type {any[]} */
  log = []
  #seq = 0
  #received = 0

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.socket = socket
    socket.on('message', (data) => {
      const message = JSON.parse(String(data))
      this.log.push(message)
      if (!message.seq) return
      this.#received = message.seq
      socket.send(JSON.stringify({ type: 'ack', ack: this.#received }))
    })
  }

  /**
   * Opens the link of a room that nobody is in yet.
   *
   * @param {string} url where the server is
   * @param {string} room
   */
  static async of(url, room) {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws`)
    const owner = new Owner(socket)
    await once(socket, 'open')
    socket.send(JSON.stringify({ type: 'hello', protocol: 1, name: 'Owner', conferences: true }))
    await owner.hears('welcome')
    owner.say({ type: 'meet', room, media: { audio: false, video: false } })
    await owner.hears('waiting')
    return owner
  }

  /** @param {object} message */
  say(message) {
    this.socket.send(JSON.stringify({ ...message, seq: ++this.#seq }))
  }

  /**
   * Waits for a message.
   *
   * @param {string} type
   * @param {(message: any) => boolean} [is]
   */
  async hears(type, is = () => true) {
    for (;;) {
      const found = this.log.findLast((message) => message.type === type && is(message))
      if (found) return found
      await once(this.socket, 'message', { signal: AbortSignal.timeout(20_000) }).catch((error) => {
        throw new Error(`no '${type}' came: ${JSON.stringify(this.log.slice(-10))}`, { cause: error })
      })
    }
  }

  /**
   * @param {string} room
   * @param {'publish' | 'watch'} door
   */
  async key(room, door) {
    this.say({ type: 'key', room, door })
    return /** @type {string} */ ((await this.hears('key', (message) => message.door === door)).key)
  }

  /** @param {object} action */
  moderate(action) {
    const { call } = this.log.findLast(({ type }) => type === 'conference')
    this.say({ type: 'moderate', call, action })
  }

  leave() {
    this.socket.close(1000)
  }
}
