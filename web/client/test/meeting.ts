/** Three people in a room, for tests. */
import type { RoomCall } from '../src/model.js'
import { fakeDevices, type FakePeerConnection } from './fakes.js'
import { World, type Page } from './world.js'

export const kind = (page: Page) => page.model.call.kind
export const isDirect = ({ model: { call, next } }: Page) => call.kind === 'running' && call.path === 'connected' && next === null
export const inRoom = ({ model: { call, next } }: Page, people = 3) => call.kind === 'room' && call.path === 'connected' && call.members.filter(({ connected }) => connected).length === people && next === null
export const room = ({ model: { call } }: Page): RoomCall => {
  if (call.kind !== 'room') throw new Error(`the call is ${call.kind}`)
  return call
}
export const calls = (pages: readonly Page[]) => () => pages.map(({ model: { call, next } }) => [call, next])
export const sees = (page: Page, name: string) => {
  const member = room(page).members.find(({ person }) => person.name === name)
  return member !== undefined && page.client.commands.streams().pictures.has(`${member.number} camera`)
}

/** Alice and Bob in a call of two at a link, with cameras. */
export async function couple(world = new World()): Promise<{ world: World; alice: Page; bob: Page }> {
  world.devices = fakeDevices()
  const alice = await world.person('Alice')
  const bob = await world.person('Bob')
  for (const page of [alice, bob]) await page.client.commands.openCamera()
  for (const page of [alice, bob]) await page.client.commands.openMicrophone()
  alice.client.commands.meet('garden')
  bob.client.commands.meet('garden')
  await world.until(() => isDirect(alice) && isDirect(bob), calls([alice, bob]))
  return { world, alice, bob }
}

export async function third(world: World): Promise<Page> {
  const cyd = await world.person('Cyd')
  await cyd.client.commands.openCamera()
  await cyd.client.commands.openMicrophone()
  cyd.client.commands.meet('garden')
  return cyd
}

export async function three(): Promise<{ world: World; alice: Page; bob: Page; cyd: Page; all: readonly Page[] }> {
  const { world, alice, bob } = await couple()
  const cyd = await third(world)
  const all = [alice, bob, cyd]
  await world.until(() => all.every((page) => inRoom(page)), calls(all))
  for (const page of all) showAll(page)
  await world.pass(6_000)
  return { world, alice, bob, cyd, all }
}

/** The page shows everybody. */
export function showAll(page: Page): void {
  page.client.commands.arrange(room(page).members.filter(({ number }) => number !== room(page).you).map(({ number }) => ({ member: number, source: 'camera', height: 300 })))
}

export const clientPeer = (world: World, page: Page): FakePeerConnection => {
  const found = world.network.openOf(page).at(-1)
  if (!found) throw new Error('no peer connection')
  return found
}
