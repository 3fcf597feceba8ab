// Asks the boot host that numbers for a name, so that two boot hosts never give the same number.
import { NameAnswer, type NameWish } from '../api/machines.ts';
import type { BootHost } from './imaged-elsewhere.ts';

/** Port: the JSON of its answer, proved to come from one with our admin token; undefined when it is silent. The adapter is in io/order-proof. */
export type AskName = (host: BootHost, wish: NameWish) => Promise<unknown>;

export interface NameAskerOptions {
  /** The boot host that numbers now; undefined when that is ourselves. */
  readonly numbering: () => BootHost | undefined;
  readonly ask: AskName;
}

/**
 * Undefined when we number, and when nobody else does in time: then we do. Two that cannot hear each other may so give one name
 * twice; `boot/names` says which machine keeps it.
 */
export function createNameAsker({
  numbering,
  ask,
}: NameAskerOptions): (wish: NameWish) => Promise<string | undefined> {
  return async (wish) => {
    const host = numbering();
    const answer = host === undefined ? undefined : NameAnswer.safeParse(await ask(host, wish));
    return answer?.success === true ? answer.data.name : undefined;
  };
}
