import type { Plugin } from 'vite'
/** Emits the service worker with the list of files that it keeps. */
export function shell(): Plugin
