// A small HTTP server for content alone: what a fetching endpoint has of catalogue, manifest and tables, for its site.
import { type FastifyInstance, fastify } from 'fastify';
import type { Ipv4 } from '../base/addresses.ts';
import type { Log } from '../base/log.ts';
import { contentRoutes } from './http-content.ts';
import { answerErrors } from './http-errors.ts';
import { DEFAULT_HTTP_LIMITS, limitConnections } from './http-limits.ts';
import type { CatalogueForHttp, ContentForHttp } from './http-ports.ts';

export interface ContentServerOptions {
  readonly content: ContentForHttp;
  readonly catalogue: CatalogueForHttp;
  /** Our addresses to answer on; empty: every one. */
  readonly addresses: () => readonly Ipv4[];
  readonly log: Log;
}

export interface ContentServer {
  /** On any free port. */
  start(): Promise<{ readonly port: number }>;
  stop(): Promise<void>;
}

export function createContentServer(options: ContentServerOptions): ContentServer {
  const limits = DEFAULT_HTTP_LIMITS;
  const app: FastifyInstance = fastify({
    logger: false,
    exposeHeadRoutes: false,
    bodyLimit: 1024,
    connectionTimeout: limits.idleMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    forceCloseConnections: true,
    http: { headersTimeout: limits.headMs, maxHeaderSize: 16 * 1024 },
  });
  answerErrors(app, options.log);
  limitConnections(app.server, limits, options.addresses);
  contentRoutes(app, { ...options, idleMs: limits.idleMs, onServed: () => {} });
  return {
    async start() {
      await app.listen({ port: 0, host: '0.0.0.0' });
      const address = app.server.address();
      return { port: typeof address === 'object' && address !== null ? address.port : 0 };
    },
    stop: () => app.close(),
  };
}
