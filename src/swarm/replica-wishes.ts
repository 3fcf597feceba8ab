// Which images a site shall hold, how many copies and where: from rules, from what was asked ahead of time, from assignments.
import type { Descriptor } from '../base/digest.ts';
import { DEFAULT_REPLICAS, type ReplicaWish } from './replicas.ts';
import { imageKey } from './site.ts';

/** An image or package of the catalogue in force. */
export interface HeldContent {
  readonly name: string;
  readonly version: string;
  readonly storedBytes: number;
  readonly manifest: Descriptor;
}

/** From the configuration. */
export interface ReplicaRule {
  /** `*` (the newest version of each), `name` (its newest) or `name@version`. */
  readonly image: string;
  readonly count?: number | undefined;
  /** Only peers with this tag keep it. */
  readonly tag?: string | undefined;
}

export interface WishSources {
  readonly content: readonly HeldContent[];
  readonly rules: readonly ReplicaRule[];
  /** Asked ahead of time. */
  readonly asked: readonly { readonly image: string; readonly replicas: number }[];
  /** References of images that are assigned to machines at this peer. */
  readonly assigned: readonly string[];
  /** Is this peer a boot host? Then it holds what it is to give to machines. */
  readonly bootHost: boolean;
  /** The newest or the named version, as `findImage` of api/catalogue chooses. */
  readonly find: (reference: string) => HeldContent | undefined;
}

export interface ContentWish extends ReplicaWish {
  readonly content: HeldContent;
  readonly why: 'rule' | 'preseed' | 'assigned' | 'nobody';
}

/** One wish for each of the catalogue; where several speak for one, the greatest count holds. `count` 0: nobody does. */
export function wishesOf(sources: WishSources): readonly ContentWish[] {
  const wishes = new Map<HeldContent, ContentWish>();
  const wish = (content: HeldContent, count: number, why: ContentWish['why'], tag?: string) => {
    const known = wishes.get(content);
    if (known !== undefined && known.count >= count) return;
    const { manifest, storedBytes } = content;
    wishes.set(content, { content, image: imageKey(manifest.digest), storedBytes, count, tag, why });
  };
  for (const content of sources.content) wish(content, 0, 'nobody');
  for (const { image, count = DEFAULT_REPLICAS, tag } of sources.rules) {
    for (const content of selected(image, sources)) wish(content, count, 'rule', tag);
  }
  for (const { image, replicas } of sources.asked) {
    for (const content of selected(image, sources)) wish(content, replicas, 'preseed');
  }
  if (sources.bootHost) {
    for (const image of sources.assigned) {
      for (const content of selected(image, sources)) wish(content, DEFAULT_REPLICAS, 'assigned');
    }
  }
  return [...wishes.values()];
}

function selected(reference: string, { content, find }: WishSources): readonly HeldContent[] {
  const names = reference === '*' ? [...new Set(content.map(({ name }) => name))] : [reference];
  return names.flatMap((name) => find(name) ?? []);
}
