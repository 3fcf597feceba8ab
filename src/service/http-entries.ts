// Files of boot entries over HTTP, as iPXE asks for them: whole, by HEAD, or in ranges (sanboot reads sectors).
import type { FastifyInstance } from 'fastify';
import { ROUTES } from '../api/routes.ts';
import type { BootEntries } from './boot-entries.ts';
import { addressOf } from './http-boot.ts';
import { sendStored } from './http-send.ts';
import type { LanPace } from './lan-pace.ts';

export interface EntryRoutesOptions {
  readonly entries: BootEntries;
  readonly idleMs: number;
  readonly onServed: (bytes: number, address: string) => void;
  /** Limit of what leaves for the LAN. */
  readonly lan?: LanPace | undefined;
}

export function entryRoutes(
  app: FastifyInstance,
  { entries, idleMs, lan, onServed }: EntryRoutesOptions,
): void {
  app.route<{ Params: { name: string; version: string; '*': string } }>({
    method: ['GET', 'HEAD'],
    url: `${ROUTES.entries}/:name/:version/*`,
    handler: async (request, reply) => {
      const { name, version, '*': path } = request.params;
      const { socket } = request;
      // A slow line to the origin may take longer than a silent connection is otherwise kept.
      socket.setTimeout?.(0);
      const file = await entries.open(`${name}@${version}`, path);
      // What cannot be had shall be said by a status, as long as the head is not out.
      if (request.method === 'GET' && file.sizeBytes > 0)
        await file.read(firstByte(request.headers.range, file.sizeBytes), 1);
      const sent = await sendStored(request, reply, {
        sizeBytes: file.sizeBytes,
        etag: file.etag,
        contentType: /\.efi$/i.test(path) ? 'application/efi' : 'application/octet-stream',
        cacheControl: 'no-cache',
        async read(offset, length) {
          const bytes = await file.read(offset, length);
          const open = {
            size: bytes.length,
            read: (_: number, count: number) => bytes.subarray(0, count),
            close: () => {},
          };
          return lan?.read(open, offset, bytes.length) ?? bytes;
        },
      });
      socket.setTimeout?.(idleMs);
      onServed(sent, addressOf(request));
    },
  });
}

/** Where the answer begins, if it is a plain range; what `selectBytes` makes of others is looked at when it is sent. */
function firstByte(range: string | undefined, sizeBytes: number): number {
  const first = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
  return first < sizeBytes ? first : 0;
}
