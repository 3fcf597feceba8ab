// How urgent a change of our own announcement is.
import type { Announcement, Holding } from './site.ts';

/** Others would decide otherwise if they knew: another role, port, tag, fitness, crossing, or a holding begun, finished or gone. */
export function mattersAtOnce(before: Announcement, after: Announcement): boolean {
  return (
    before.role !== after.role ||
    before.httpPort !== after.httpPort ||
    !sameWords(before.tags, after.tags) ||
    !sameWords(before.unfit, after.unfit) ||
    !sameWords(before.crossing, after.crossing) ||
    !sameWords(before.holdings.map(stage), after.holdings.map(stage))
  );
}

/** Only further on with something. */
export function progressed(before: Announcement, after: Announcement): boolean {
  return after.holdings.some(({ held }, i) => held !== before.holdings[i]?.held);
}

function stage({ image, held, of }: Holding): string {
  return `${image} ${of} ${held === 0 ? 'none' : held === of ? 'all' : 'part'}`;
}

function sameWords(before: readonly string[], after: readonly string[]): boolean {
  return before.length === after.length && before.every((word, i) => word === after[i]);
}
