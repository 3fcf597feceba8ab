// The same tree as an origin's, from the chunk store or fetched through: chunks by digest, the catalogue's files by name.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { CONTENT_HEADERS, ROUTES } from '../api/routes.ts';
import { type Digest, isDigest } from '../base/digest.ts';
import { PeerbootError } from '../base/errors.ts';
import type { Wanted } from '../chunk/ports.ts';
import { addressOf } from './http-boot.ts';
import type { CatalogueForHttp, ContentForHttp } from './http-ports.ts';
import { IMMUTABLE, sendStored } from './http-send.ts';
import type { LanPace } from './lan-pace.ts';

export interface ContentRoutesOptions {
  readonly content: ContentForHttp;
  readonly catalogue: CatalogueForHttp;
  readonly idleMs: number;
  readonly onServed: (bytes: number, address: string) => void;
  /** Limit of what leaves for the LAN. */
  readonly lan?: LanPace | undefined;
}

export function contentRoutes(app: FastifyInstance, options: ContentRoutesOptions): void {
  const { catalogue, content, lan, onServed } = options;

  app.route<{ Params: { folder: string; hex: string } }>({
    method: ['GET', 'HEAD'],
    url: `${ROUTES.content}/chunks/:folder/:hex`,
    handler: async (request, reply) => {
      const { folder, hex } = request.params;
      if (!/^[0-9a-f]{64}$/.test(hex) || folder !== hex.slice(0, 2)) {
        throw new PeerbootError(
          'PB-HTTP-NOT-FOUND',
          'a chunk is called by 64 hexadecimal digits, in the folder of its first two',
        );
      }
      // A slow line to the origin may take longer than a silent connection is otherwise kept.
      const { socket } = request;
      socket.setTimeout?.(0);
      const digest: Digest = `sha256:${hex}`;
      const chunk = await content.open({ digest, ...hintsOf(request) });
      socket.setTimeout?.(options.idleMs);
      try {
        const sent = await sendStored(request, reply, {
          sizeBytes: chunk.size,
          etag: `"${digest}"`,
          contentType: 'application/octet-stream',
          cacheControl: IMMUTABLE,
          read: (offset, length) => lan?.read(chunk, offset, length) ?? chunk.read(offset, length),
        });
        onServed(sent, addressOf(request));
      } finally {
        chunk.close();
      }
    },
  });

  app.route<{ Params: { file: string } }>({
    method: ['GET', 'HEAD'],
    url: `${ROUTES.content}/catalogue/:file`,
    handler: async (request, reply) => {
      const { file } = request.params;
      const bytes = await catalogue.file(file);
      if (bytes === undefined) {
        const { state, reason } = catalogue.state();
        const why = state === 'none' ? ` (no catalogue: ${reason ?? 'none was accepted yet'})` : '';
        throw new PeerbootError('PB-HTTP-NOT-FOUND', `no file of the catalogue is called ${file}${why}`);
      }
      const sent = await sendStored(request, reply, {
        sizeBytes: bytes.length,
        etag: `"${file}-${checksum(bytes)}"`,
        contentType: 'application/json',
        cacheControl: 'no-cache',
        read: (offset, length) => bytes.subarray(offset, offset + length),
      });
      onServed(sent, addressOf(request));
    },
  });
}

/** What the asker says about the chunk, beside its name; nonsense is as good as nothing. */
function hintsOf({ headers }: FastifyRequest): Pick<Wanted, 'image' | 'relayed'> {
  const image = headers[CONTENT_HEADERS.image];
  return {
    ...(typeof image === 'string' && isDigest(image) ? { image } : {}),
    ...(headers[CONTENT_HEADERS.relayed] === undefined ? {} : { relayed: true }),
  };
}

/** Tells one version of a small file from the next (FNV-1a); what is in it is proved by signatures, not by this. */
function checksum(bytes: Uint8Array): string {
  let state = 0x811c9dc5;
  for (const byte of bytes) state = Math.imul(state ^ byte, 0x01000193);
  return `${bytes.length.toString(16)}-${(state >>> 0).toString(16)}`;
}
