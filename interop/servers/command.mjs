/** A command of Visavis under way (`--json`), and what it said. */
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export class Command {
  /** @type {any[]} */
  events = []

  /**
   * @param {import('node:test').TestContext} t
   * @param {import('node:child_process').ChildProcess} child with a pipe for what it says
   */
  constructor(t, child) {
    if (!child.stdout) throw new Error('nobody would hear it')
    t.after(() => child.kill('SIGKILL'))
    this.exit = once(child, 'exit').then(([code]) => code)
    this.lines = createInterface({ input: child.stdout })
    this.lines.on('line', (line) => this.events.push(JSON.parse(line)))
  }

  /** The event of this name, now or later. @param {string} name */
  async until(name) {
    for (;;) {
      const event = this.events.find((found) => found.event === name)
      if (event) return event
      const ended = this.exit.then((code) => { throw new Error(`it ended with ${code} before ${name}: ${JSON.stringify(this.events)}`) })
      await Promise.race([once(this.lines, 'line'), ended])
    }
  }
}
