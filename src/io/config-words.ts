// Small readers of what people type: sizes, assignments, and the nearest word to a mistyped one.
import { PeerbootError } from '../base/errors.ts';
import type { AssignmentRule } from './config-keys.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** `500`, `20G`, `1.5 TB`, `300MiB` → bytes (1K = 1024); undefined when it is no size. */
export function parseSize(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*$/i.exec(text);
  const unit = UNITS[match?.[2]?.toUpperCase() ?? ''];
  return match === null || unit === undefined ? undefined : Math.floor(Number(match[1]) * unit);
}

/**
 * Assignments from words: `*=debian-12`, or two words `*` `debian-12`; both forms may be mixed.
 * Throws PB-CONFIG-INVALID when a machine is left without an image.
 */
export function parseAssignments(words: readonly string[]): AssignmentRule[] {
  const rules: AssignmentRule[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const equals = word.indexOf('=');
    const image = equals < 0 ? words[++at] : word.slice(equals + 1);
    const machine = equals < 0 ? word : word.slice(0, equals);
    if (image === undefined || image === '' || machine === '') {
      throw new PeerbootError(
        'PB-CONFIG-INVALID',
        `an assignment needs a machine and an image, as in --assign '*' debian-12; got ${JSON.stringify(word)}`,
      );
    }
    rules.push({ machine, image });
  }
  return rules;
}

/** What the site shall hold, from words: `till`, `till@3=1`, `*=2`; what is no count stays text and fails the check. */
export function parseReplicas(words: readonly string[]): { image: string; count?: number | string }[] {
  return words.map((word) => {
    const [image = '', count] = word.split('=', 2);
    if (count === undefined) return { image };
    return { image, count: /^\d+$/.test(count) ? Number(count) : count };
  });
}

/** The choice with the fewest single-letter edits from `word`, when it is close enough to be meant. */
export function nearest(word: string, choices: readonly string[]): string | undefined {
  const ranked = choices
    .map((choice) => ({ choice, edits: editDistance(word.toLowerCase(), choice.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best !== undefined && best.edits <= Math.max(2, word.length / 3) ? best.choice : undefined;
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
