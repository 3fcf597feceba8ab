// What an administrator told a peer: pause, priority, limits; and which WAN transfers may run because of it.
import type { Limit } from './budget.ts';

/** Highest first. */
export const PRIORITIES = ['high', 'normal', 'low'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** `name` (every version of it) or `name@version`. */
export type ImageReference = string;

/** Everything that can be told; a value, never changed in place. */
export interface Control {
  /** The whole peer fetches nothing. */
  readonly paused: boolean;
  readonly pausedImages: readonly ImageReference[];
  /** Of images without one of their own. */
  readonly priority: Priority;
  readonly priorities: Readonly<Record<ImageReference, Priority>>;
  /** Of the whole site, shared by the peers that cross at once; undefined: as the configuration says. */
  readonly wanLimit?: Limit | undefined;
  /** What this peer sends to others; undefined: as the configuration says. */
  readonly lanLimit?: Limit | undefined;
  /** Tags beyond the configuration's, and those of the configuration that do not hold. */
  readonly tagged: readonly Tag[];
  readonly untagged: readonly Tag[];
}

/** A word of an administrator, e.g. `boot-host`. */
export type Tag = string;

export const NOTHING_TOLD: Control = {
  paused: false,
  pausedImages: [],
  priority: 'normal',
  priorities: {},
  tagged: [],
  untagged: [],
};

/** Without an image: for the whole peer. */
export type ControlChange =
  | { readonly kind: 'pause'; readonly image?: ImageReference | undefined }
  /** Without an image: everything, also images that were paused by name. */
  | { readonly kind: 'resume'; readonly image?: ImageReference | undefined }
  | { readonly kind: 'priority'; readonly image?: ImageReference | undefined; readonly priority: Priority }
  | { readonly kind: 'tag' | 'untag'; readonly tag: Tag }
  | { readonly kind: 'limit'; readonly wan?: Limit | undefined; readonly lan?: Limit | undefined };

export function changed(control: Control, change: ControlChange): Control {
  const image = 'image' in change ? change.image : undefined;
  switch (change.kind) {
    case 'pause':
      if (image === undefined) return { ...control, paused: true };
      return { ...control, pausedImages: [...new Set([...control.pausedImages, image])].sort() };
    case 'resume':
      if (image === undefined) return { ...control, paused: false, pausedImages: [] };
      return { ...control, pausedImages: control.pausedImages.filter((one) => !sameOrNarrower(image, one)) };
    case 'priority':
      if (image === undefined) return { ...control, priority: change.priority };
      return { ...control, priorities: { ...control.priorities, [image]: change.priority } };
    case 'tag':
    case 'untag': {
      const { tag } = change;
      const tagged = control.tagged.filter((one) => one !== tag);
      const untagged = control.untagged.filter((one) => one !== tag);
      if (change.kind === 'tag') return { ...control, tagged: [...tagged, tag].sort(), untagged };
      return { ...control, tagged, untagged: [...untagged, tag].sort() };
    }
    case 'limit':
      return {
        ...control,
        ...(change.wan === undefined ? {} : { wanLimit: change.wan }),
        ...(change.lan === undefined ? {} : { lanLimit: change.lan }),
      };
  }
}

/** The tags in force: the configuration's, as changed by what was told. */
export function tagsInForce({ tagged, untagged }: Control, configured: readonly Tag[]): readonly Tag[] {
  return [...new Set([...configured, ...tagged])].filter((tag) => !untagged.includes(tag));
}

/** `till` resumes `till` and `till@3`, but `till@3` does not resume all of `till`. */
function sameOrNarrower(wide: ImageReference, one: ImageReference): boolean {
  return wide === one || one.startsWith(`${wide}@`);
}

/** An image as it calls itself on screens: `name version`; empty: the catalogue, manifests and tables, which are small. */
export type ImageTitle = string;

/** Does the reference mean this image? */
export function means(reference: ImageReference, title: ImageTitle): boolean {
  const [name, version] = title.split(' ');
  return reference === name || reference === `${name}@${version}`;
}

/** Small content is never paused: a machine that boots meanwhile must be told what is going on. */
export function isPaused(control: Control, title: ImageTitle): boolean {
  if (title === '') return false;
  return control.paused || control.pausedImages.some((one) => means(one, title));
}

/**
 * One named with its version counts before one named without. In the background (replicas, ahead of time) what nobody
 * gave a priority comes last.
 */
export function priorityOf(control: Control, title: ImageTitle, background = false): Priority {
  const named = Object.entries(control.priorities).filter(([reference]) => means(reference, title));
  const exact = named.find(([reference]) => reference.includes('@')) ?? named[0];
  return exact?.[1] ?? (background ? 'low' : control.priority);
}

/** A transfer that wants the WAN. */
export interface Job {
  readonly title: ImageTitle;
  /** Nobody waits for it now. */
  readonly background: boolean;
}

/**
 * Which of the jobs, oldest first, may run: everything of the highest priority that is there and, lest the rest
 * starve, the oldest one of all lower ones. What is paused does not run.
 */
export function running<J extends Job>(jobs: readonly J[], control: Control): ReadonlySet<J> {
  const free = jobs.filter((job) => !isPaused(control, job.title));
  const rank = (job: J) => PRIORITIES.indexOf(priorityOf(control, job.title, job.background));
  const highest = Math.min(...free.map(rank));
  const chosen = new Set(free.filter((job) => rank(job) === highest));
  const trickle = free.find((job) => rank(job) > highest);
  if (trickle !== undefined) chosen.add(trickle);
  return chosen;
}
