/** The two fingerprints in one canonical text; null until both are known and each side's sections agree. */
export declare function fingerprintPair(local: string, remote: string): string | null;
/** The code of a pair, e.g. `4821 9034 1177 0265 9913`. */
export declare function safetyCode(pair: string): Promise<string>;
