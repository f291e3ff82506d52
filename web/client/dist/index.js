/** The client of Visavis: see README.md for a page that calls in twenty lines. */
export { createClient } from './client.js';
export { browserEnvironment, memoryStore } from './environment.js';
export { blobSink, diskSink, openSink, safeName } from './sink.js';
