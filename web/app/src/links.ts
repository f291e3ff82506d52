/** Finds the links in a message, so that they can be followed. */
export type Piece = { readonly kind: 'text', readonly text: string } | { readonly kind: 'link', readonly text: string, readonly href: string }

/** Only http and https, spelled out: nothing else a stranger writes becomes something to click on. */
const pattern = /https?:\/\/[^\s<>"'`\u202A-\u202E\u2066-\u2069]+/giu
/** Signs at the end that belong to the sentence, not to the link. */
const trailing = /[.,;:!?…»”’)\]}]+$/u

/** Cuts a text into plain pieces and links. Joined again, the pieces are the text. */
export function pieces(text: string): readonly Piece[] {
  const out: Piece[] = []
  let from = 0
  for (const match of text.matchAll(pattern)) {
    const balanced = match[0].includes('(') && match[0].endsWith(')')
    const link = balanced ? match[0] : match[0].replace(trailing, '')
    if (!URL.canParse(link)) continue
    if (match.index > from) out.push({ kind: 'text', text: text.slice(from, match.index) })
    out.push({ kind: 'link', text: link, href: new URL(link).href })
    from = match.index + link.length
  }
  if (from < text.length) out.push({ kind: 'text', text: text.slice(from) })
  return out
}
