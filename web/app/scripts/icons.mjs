// Draws the PNG icons that some systems need from public/icon.svg, with a browser. Run when the mark changes.
import { readFileSync, writeFileSync } from 'node:fs'
import puppeteer from 'puppeteer-core'

const folder = new URL('../public/', import.meta.url)
const round = readFileSync(new URL('icon.svg', folder), 'utf8')
// A system that cuts its own shape, or shows none, gets the ground up to the edge.
const square = round.replace(/ rx="\d+"/, '')
const jobs = [['icon-180.png', 180, square], ['icon-192.png', 192, round], ['icon-512.png', 512, round], ['icon-512-maskable.png', 512, square]]

const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? '/usr/lib/chromium/chromium', headless: true, pipe: true, args: ['--no-sandbox', '--disable-gpu'] })
const page = await browser.newPage()
for (const [name, side, svg] of jobs) {
  await page.setViewport({ width: side, height: side })
  await page.setContent(`<style>body{margin:0}svg{display:block;width:${side}px;height:${side}px}</style>${svg}`)
  const png = await page.screenshot({ omitBackground: true, optimizeForSpeed: false })
  writeFileSync(new URL(name, folder), png)
  console.log(`${name}: ${png.length} bytes`)
}
await browser.close()
