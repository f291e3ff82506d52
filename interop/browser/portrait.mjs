/** Drawn people for fake cameras: a face before a soft background, breathing a little. */
import { writeFileSync } from 'node:fs'
import { command } from '../lab/namespaces.mjs'

/**
 * @typedef {object} Look
 * @property {[string, string]} wall The colours of the background, top and bottom.
 * @property {string} skin
 * @property {string} hair
 * @property {string} shirt
 * @property {boolean} long Whether the hair is.
 */

const FRAMES = 60
const WIDTH = 1280
const HEIGHT = 720

/** @type {Look} */
const ada = { wall: ['#f6d9c2', '#d98f6c'], skin: '#f0c09c', hair: '#4a2a20', shirt: '#5a2a52', long: true }

/** @type {Look} */
const bruno = { wall: ['#cfe3e0', '#5f9a94'], skin: '#c98f68', hair: '#1f1a1c', shirt: '#e8833a', long: false }

/** One frame; `phase` runs from 0 to 1. @param {Look} look @param {number} phase */
function drawing({ wall, skin, hair, shirt, long }, phase) {
  const sway = Math.sin(phase * 2 * Math.PI)
  const blink = phase > 0.48 && phase < 0.53
  const eye = (/** @type {number} */ x) => `<ellipse cx="${x}" cy="300" rx="13" ry="${blink ? 2 : 15}" fill="#2b2024"/>${blink ? '' : `<circle cx="${x + 4}" cy="295" r="4" fill="#fff"/>`}`
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}">
  <defs>
    <linearGradient id="w" x1="0" y1="0" x2="0.4" y2="1"><stop offset="0" stop-color="${wall[0]}"/><stop offset="1" stop-color="${wall[1]}"/></linearGradient>
    <radialGradient id="l" cx="0.22" cy="0.2" r="0.6"><stop offset="0" stop-color="#fff" stop-opacity="0.65"/><stop offset="1" stop-color="#fff" stop-opacity="0"/></radialGradient>
  </defs>
  <rect width="${WIDTH}" height="${HEIGHT}" fill="url(#w)"/>
  <rect x="930" y="90" width="210" height="270" rx="10" fill="#fff" opacity="0.35"/><rect x="950" y="110" width="170" height="230" rx="6" fill="${wall[1]}" opacity="0.6"/>
  <rect width="${WIDTH}" height="${HEIGHT}" fill="url(#l)"/>
  <g transform="translate(${sway * 6} ${-sway * 3})">
    ${long ? `<path d="M478 300 q-24 -190 162 -194 q186 4 162 194 q16 190 -30 260 h-264 q-46 -70 -30 -260z" fill="${hair}"/>` : ''}
    <path d="M300 ${HEIGHT + 20} q20 -190 240 -214 h200 q220 24 240 214z" fill="${shirt}"/>
    <path d="M580 400 h120 v110 q-60 56 -120 0z" fill="${skin}"/><path d="M580 440 q60 60 120 0 v20 q-60 50 -120 0z" fill="#000" opacity="0.12"/>
    <g transform="rotate(${sway * 1.6} 640 420)">
      <ellipse cx="640" cy="310" rx="122" ry="150" fill="${skin}"/>
      <circle cx="562" cy="352" r="26" fill="#e0604a" opacity="0.22"/><circle cx="718" cy="352" r="26" fill="#e0604a" opacity="0.22"/>
      ${eye(594)}${eye(686)}
      <path d="M572 262 q22 -14 44 -2 M664 260 q22 -12 44 2" stroke="${hair}" stroke-width="8" fill="none" stroke-linecap="round"/>
      <path d="M640 316 q14 26 -4 32" stroke="#000" stroke-opacity="0.22" stroke-width="6" fill="none" stroke-linecap="round"/>
      <path d="M590 388 q50 ${46 + sway * 6} 100 0 q-50 16 -100 0z" fill="#fff" stroke="#a8453a" stroke-width="6" stroke-linejoin="round"/>
      <path d="${long ? 'M516 290 q-2 -160 126 -160 q126 0 124 160 q-40 -30 -66 -92 q-70 70 -184 92z' : 'M512 296 q-16 -178 128 -182 q144 4 128 182 q-14 -60 -42 -84 q-90 20 -172 0 q-28 24 -42 84z'}" fill="${hair}"/>
    </g>
  </g>
</svg>`
}

/**
 * Films somebody, for Chromium's fake camera.
 *
 * @param {Look} look
 * @param {string} file a name ending in `.mjpeg`
 */
function film(look, file) {
  for (let n = 0; n < FRAMES; n++) writeFileSync(`${file}.${String(n).padStart(3, '0')}.svg`, drawing(look, n / FRAMES))
  command(['ffmpeg', '-loglevel', 'error', '-y', '-framerate', '20', '-i', `${file}.%03d.svg`, '-pix_fmt', 'yuvj420p', '-q:v', '3', file])
  return file
}

export const portrait = { ada, bruno, film }
