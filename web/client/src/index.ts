/** The client of Visavis: see README.md for a page that calls in twenty lines. */
export { createClient } from './client.js'
export type { Client, ClientOptions } from './options.js'
export { browserEnvironment, memoryStore, type Environment } from './environment.js'
export type * from './model.js'
export { frameConfiguration } from './e2ee/line.js'
export { tileKey } from './model.js'
export type { Action, EndReason, Knock, Media, Member, Person, Picture, Presence, Refusal, Role, Sending, View } from './protocol.js'
export { blobSink, diskSink, openSink, safeName, type FileSink, type OfferedFile, type OpenSink } from './sink.js'
