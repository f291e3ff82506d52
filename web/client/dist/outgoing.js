/**
 * A file on its way out: which bytes go next, and the hashes of the blocks that went by.
 *
 * One block of the file is in memory at a time, however large the file is.
 */
import { CHUNK, WINDOW } from './bulk.js';
import { BLOCK, leafHash, rootHash } from './filehash.js';
export class OutgoingFile {
    number;
    file;
    /** Bytes the receiver is known to have. */
    kept = 0;
    next = 0;
    ended = false;
    leaves = [];
    block = null;
    constructor(number, file) {
        this.number = number;
        this.file = file;
    }
    /** Sends from this byte on. Past the end makes no sense and is taken for the end. */
    seek(at) {
        this.next = this.kept = Math.min(at, this.file.size);
        this.ended = false;
    }
    keep(at) {
        this.kept = Math.max(this.kept, Math.min(at, this.next));
    }
    /** Whether a frame can go now. */
    ready() {
        if (this.ended)
            return false;
        return this.next === this.file.size || this.next - this.kept < WINDOW;
    }
    /** The next frame. Throws what the browser throws when the file cannot be read (any more). */
    async frame() {
        if (this.next === this.file.size) {
            this.ended = true;
            return { file: this.number, offset: this.file.size, end: true, bytes: await this.root() };
        }
        const at = this.next;
        const block = await this.read(Math.floor(at / BLOCK));
        // Somebody may have sought elsewhere meanwhile: what is sent must be what `next` says.
        if (at !== this.next)
            return this.frame();
        const inside = at % BLOCK;
        const bytes = block.subarray(inside, Math.min(inside + CHUNK, block.length));
        this.next += bytes.length;
        return { file: this.number, offset: at, end: false, bytes };
    }
    async root() {
        // Blocks before the byte that a resume began at may never have been read here.
        for (let index = 0; index * BLOCK < this.file.size; index++)
            if (this.leaves[index] === undefined)
                await this.read(index);
        const hex = await rootHash(this.file.size, this.leaves);
        return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    }
    async read(index) {
        if (this.block?.index === index)
            return this.block.bytes;
        const end = Math.min((index + 1) * BLOCK, this.file.size);
        const bytes = new Uint8Array(await this.file.slice(index * BLOCK, end).arrayBuffer());
        if (bytes.length !== end - index * BLOCK)
            throw new Error('the file has become shorter');
        this.leaves[index] ??= await leafHash(bytes);
        this.block = { index, bytes };
        return bytes;
    }
}
