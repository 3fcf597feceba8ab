// `peerboot images`: the signed catalogue of an origin, checked against the root, or of the running peer.
import { z } from 'zod';
import { CatalogueImage } from '../api/catalogue.ts';
import { ROUTES } from '../api/routes.ts';
import { adminClient, type PeerAddressOptions } from './admin-client.ts';
import { configOf, type PeerOptions } from './flags.ts';
import { colours, formatBytes, formatTable, printJson } from './terminal.ts';

export interface ImagesOptions
  extends PeerAddressOptions,
    Pick<PeerOptions, 'origin' | 'root' | 'state' | 'json'> {}

const Answer = z.object({
  images: CatalogueImage.array(),
  catalogue: z.object({ state: z.string(), reason: z.string().optional() }),
});

interface Listing {
  readonly from: string;
  readonly state: string;
  readonly images: readonly CatalogueImage[];
}

/** With `--origin` each origin is asked; without one, the running peer. */
export async function images(options: ImagesOptions): Promise<void> {
  const listings = options.origin === undefined ? [await ofPeer(options)] : await ofOrigins(options);
  if (options.json === true) {
    printJson({ catalogues: listings });
    return;
  }
  for (const { from, state, images: list } of listings) {
    console.log(`${colours.bold(from)} ${colours.dim(`catalogue ${state}`)}`);
    const rows = list.map((image) => [
      `  ${image.name}`,
      image.version,
      formatBytes(image.imageBytes),
      colours.dim(`${formatBytes(image.storedBytes)} stored`),
    ]);
    console.log(rows.length === 0 ? colours.dim('  no images') : formatTable(rows));
  }
}

async function ofPeer(options: ImagesOptions): Promise<Listing> {
  const client = adminClient(options);
  const answer = Answer.parse(await client.get(ROUTES.images));
  const { state, reason } = answer.catalogue;
  return {
    from: client.base,
    state: reason === undefined ? state : `${state}: ${reason}`,
    images: answer.images,
  };
}

async function ofOrigins({
  peer: _,
  httpPort: __,
  json: ___,
  ...options
}: ImagesOptions): Promise<Listing[]> {
  const { config } = configOf(options);
  const { checkOrigin } = await import('./origin-check.ts');
  return Promise.all(
    config.origins.map(async (base) => {
      const set = await checkOrigin(base, config);
      const until = new Date(set.expires.wallMs).toISOString().slice(0, 10);
      return { from: base, state: `valid until ${until}`, images: set.images };
    }),
  );
}
