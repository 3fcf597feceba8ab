// `peerboot images`: what the signed catalogue names, images and packages, of an origin, checked against the root, or of the running peer.
import * as z from 'zod';
import { CatalogueBootEntry, CatalogueImage, type CataloguePackage } from '../api/catalogue.ts';
import { ROUTES } from '../api/routes.ts';
import { CONTENT_KINDS, type ContentKind } from '../chunk/names.ts';
import { adminClient, type PeerAddressOptions } from './admin-client.ts';
import { configOf, type PeerOptions } from './flags.ts';
import { colours, formatBytes, formatTable, printJson } from './terminal.ts';

export interface ImagesOptions
  extends PeerAddressOptions,
    Pick<PeerOptions, 'origin' | 'root' | 'state' | 'json'> {
  /** Only these. */
  readonly kind?: ContentKind;
}

const Answer = z.object({
  images: CatalogueImage.array(),
  // A peer of an older release has none.
  packages: CatalogueImage.array().default([]),
  bootEntries: CatalogueBootEntry.array().default([]),
  catalogue: z.object({ state: z.string(), reason: z.string().optional() }),
});

interface Listing {
  readonly from: string;
  readonly state: string;
  readonly images: readonly CatalogueImage[];
  readonly packages: readonly CataloguePackage[];
  readonly bootEntries: readonly CatalogueBootEntry[];
}

const LISTS = { image: 'images', package: 'packages', 'boot-entry': 'bootEntries' } as const satisfies Record<
  ContentKind,
  keyof Listing
>;

/** With `--origin` each origin is asked; without one, the running peer. */
export async function images(options: ImagesOptions): Promise<void> {
  const all = options.origin === undefined ? [await ofPeer(options)] : await ofOrigins(options);
  const listings = all.map((listing) => ({
    ...listing,
    ...Object.fromEntries(
      CONTENT_KINDS.filter((kind) => kind !== (options.kind ?? kind)).map((kind) => [LISTS[kind], []]),
    ),
  }));
  if (options.json === true) {
    printJson({ catalogues: listings });
    return;
  }
  for (const { from, state, ...lists } of listings) {
    console.log(`${colours.bold(from)} ${colours.dim(`catalogue ${state}`)}`);
    const rows = CONTENT_KINDS.flatMap((kind) =>
      lists[LISTS[kind]].map(({ name, version, imageBytes, storedBytes, ...more }) => [
        `  ${name}`,
        version,
        kind,
        formatBytes(imageBytes),
        colours.dim(`${formatBytes(storedBytes)} stored`),
        colours.dim('boot' in more ? aboutEntry(more.boot) : firmwaresText(more)),
      ]),
    );
    const kind = options.kind ?? 'image';
    console.log(rows.length === 0 ? colours.dim(`  no ${kind}`) : formatTable(rows));
  }
}

/** `bios, uefi-x64 (unsigned)`; empty when it cannot be told. */
export function firmwaresText({
  firmwares = [],
  unsigned = [],
}: Pick<CatalogueImage, 'firmwares' | 'unsigned'>): string {
  return firmwares.map((one) => (unsigned.includes(one) ? `${one} (unsigned)` : one)).join(', ');
}

function aboutEntry({ title, firmwares, start, tool }: CatalogueBootEntry['boot']): string {
  return `${title}: ${start.way}${tool ? ', a tool' : ''}, for ${firmwares.join(', ')}`;
}

async function ofPeer(options: ImagesOptions): Promise<Listing> {
  const client = adminClient(options);
  const answer = Answer.parse(await client.get(ROUTES.images));
  const { state, reason } = answer.catalogue;
  return {
    from: client.base,
    state: reason === undefined ? state : `${state}: ${reason}`,
    images: answer.images,
    packages: answer.packages,
    bootEntries: answer.bootEntries,
  };
}

async function ofOrigins({
  peer: _,
  httpPort: __,
  json: ___,
  kind: ____,
  ...options
}: ImagesOptions): Promise<Listing[]> {
  const { config } = configOf(options);
  const { checkOrigin } = await import('./origin-check.ts');
  return Promise.all(
    config.origins.map(async (base) => {
      const set = await checkOrigin(base, config);
      const until = new Date(set.expires.wallMs).toISOString().slice(0, 10);
      const { images, packages, bootEntries } = set;
      return { from: base, state: `valid until ${until}`, images, packages, bootEntries };
    }),
  );
}
