export const visavisTurn = async () => { throw new Error('not yet') }
