import type { Browser } from 'puppeteer-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { launch, Somebody, startLab, type Lab } from './lab.js'

let browser: Browser
let lab: Lab
let people: Somebody[] = []

beforeAll(async () => { browser = await launch() })
afterAll(() => browser.close())
beforeEach(async () => { lab = await startLab(); people = [] })
afterEach(async () => {
  const problems = people.flatMap(one => one.problems)
  for (const one of people) await one.leave()
  lab.close()
  // A violation of the policy, an uncaught error, a missing file: all of them come here.
  expect(problems.filter(text => !/WebSocket|ERR_CONNECTION/.test(text))).toEqual([])
})

async function arrive(name: string, path = '/', allow = true): Promise<Somebody> {
  const one = await Somebody.arrive(browser, lab.url + path, allow)
  people.push(one)
  await one.fill('Your name', name)
  await one.status(/ready/)
  return one
}

async function inCall(): Promise<[Somebody, Somebody]> {
  const ada = await arrive('Ada')
  const bruno = await arrive('Bruno')
  await ada.fill('Person to call', 'Bruno')
  await ada.button('Call')
  await bruno.status(/Ada is calling you/)
  await bruno.button('Accept')
  await Promise.all([ada.status(/in a call with Bruno/), bruno.status(/in a call with Ada/)])
  await Promise.all([ada.sees('Bruno'), bruno.sees('Ada')])
  return [ada, bruno]
}

test('two people call by name, see each other, and hang up', async () => {
  const [ada, bruno] = await inCall()
  await Promise.all([ada.sees('You'), bruno.sees('You')])
  await ada.button('Hang up')
  await Promise.all([ada.status(/ended/), bruno.status(/ended/)])
})

test('messages pass, are ticked off, and a link can be followed', async () => {
  const [ada, bruno] = await inCall()
  await ada.button('Chat')
  await ada.fill('Message', 'look: https://example.org/a')
  await ada.page.keyboard.press('Enter')
  await ada.page.waitForSelector('.tick.delivered')
  await bruno.page.waitForSelector('[data-command="chat"][data-badge="1"]')
  await bruno.button('Chat')
  const href = await bruno.page.$eval('.message a', link => [link.getAttribute('href'), link.getAttribute('rel')])
  expect(href).toEqual(['https://example.org/a', 'noopener noreferrer nofollow'])
})

test('mute and camera are seen by the other', async () => {
  const [ada, bruno] = await inCall()
  await ada.button('Mute')
  await bruno.page.waitForFunction(() => /microphone is off/.test(document.body.textContent ?? ''))
  await ada.button('Camera')
  await bruno.page.waitForFunction(() => /camera is off/.test(document.body.textContent ?? ''))
  await ada.button('Camera')
  await bruno.page.waitForFunction(() => !/camera is off/.test(document.body.textContent ?? ''))
  await bruno.sees('Ada')
  expect(await ada.page.$eval('[data-command="mute"]', button => button.getAttribute('aria-pressed'))).toBe('true')
})

test('a screen is shown beside the face, and taken away again', async () => {
  const [ada, bruno] = await inCall()
  await ada.button('Share screen')
  await bruno.sees('Ada’s screen')
  await ada.button('Stop sharing')
  await bruno.page.waitForFunction(() => document.querySelector('.their-screen') === null)
})

test('decline tells the caller', async () => {
  const ada = await arrive('Ada')
  const bruno = await arrive('Bruno')
  await ada.fill('Person to call', 'Bruno')
  await ada.button('Call')
  await bruno.button('Decline')
  await ada.status(/Bruno can’t talk/)
  await bruno.status(/ready/)
})

test('a link to a person calls them; the name is asked for first', async () => {
  const ada = await arrive('Ada')
  const guest = await arrive('Guest', '/c/Ada')
  await guest.button('Call')
  await ada.status(/Guest is calling/)
  await ada.button('Answer without video')
  await guest.status(/in a call with Ada/)
  await ada.sees('Guest')
})

test('two who hold a meeting link are put through', async () => {
  const ada = await arrive('Ada', '/r/abcd-efgh')
  const bruno = await arrive('Bruno', '/r/abcd-efgh')
  await ada.button('Join')
  await ada.status(/waiting/)
  await bruno.button('Join')
  await Promise.all([ada.sees('Bruno'), bruno.sees('Ada')])
})

test('without a camera and a microphone one is told why, and can call anyway', async () => {
  const ada = await arrive('Ada', '/', false)
  const bruno = await arrive('Bruno')
  await ada.fill('Person to call', 'Bruno')
  await ada.button('Call')
  await bruno.button('Accept')
  await ada.sees('Bruno')
  await bruno.status(/in a call with Ada/)
})

test('the call outlives the server, and a reload', async () => {
  const [ada, bruno] = await inCall()
  lab.cutSockets()
  await ada.status(/in a call/)
  await ada.page.reload()
  await Promise.all([ada.sees('Bruno'), bruno.sees('Ada')])
  await ada.status(/in a call with Bruno/)
})

test('single keys work in a call, but not while one writes', async () => {
  const [ada] = await inCall()
  const muted = (): Promise<string | null> => ada.page.$eval('[data-command="mute"]', button => button.getAttribute('aria-pressed'))
  await ada.page.keyboard.press('m')
  await ada.page.waitForSelector('[data-command="mute"][aria-pressed="true"]')
  await ada.page.keyboard.press('c')
  await ada.page.waitForSelector('.chat textarea')
  await ada.page.focus('.chat textarea')
  await ada.page.keyboard.type('mmm')
  expect(await ada.page.$eval('.chat textarea', field => (field as HTMLTextAreaElement).value)).toBe('mmm')
  expect(await muted()).toBe('true')
  await ada.page.keyboard.press('Escape')
  await ada.page.waitForFunction(() => document.querySelector('.chat') === null)
  await ada.page.keyboard.press('?')
  await ada.page.waitForSelector('dialog[open]')
  await ada.page.keyboard.press('Escape')
  await ada.page.waitForFunction(() => document.querySelector('dialog') === null)
})

test('the controls withdraw when nothing moves, and come back with the pointer', async () => {
  const [ada] = await inCall()
  await ada.page.bringToFront()
  await ada.page.mouse.move(300, 200)
  await ada.page.waitForSelector('.stage.quiet', { timeout: 15_000 })
  await ada.page.mouse.move(310, 210)
  await ada.page.waitForSelector('.stage:not(.quiet)')
})

test('without the server the page opens from its own store and says how things stand', async () => {
  const ada = await arrive('Ada')
  await ada.page.evaluate(async () => { await navigator.serviceWorker.ready })
  lab.close()
  await ada.page.reload()
  await ada.status(/not connected|connecting/)
  await ada.page.waitForFunction(() => /out of reach/.test(document.querySelector('.bars')?.textContent ?? ''))
})
