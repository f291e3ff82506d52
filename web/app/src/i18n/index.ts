/** Which language the page speaks. */
import { en, type Dictionary } from './en.js'
import { fr } from './fr.js'

export type { Dictionary }
export type Language = 'en' | 'fr'
export const languages: readonly Language[] = ['en', 'fr']
export const dictionaries: Readonly<Record<Language, Dictionary>> = { en, fr }

/** The first of the person's languages that we speak; English when there is none. */
export function pickLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const found = languages.find(language => tag.toLowerCase().split('-')[0] === language)
    if (found) return found
  }
  return 'en'
}
