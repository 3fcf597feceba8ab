// The HTTP side of a peer: one server for scripts, boot files, content, the agent, administration and health.
import { type FastifyInstance, fastify } from 'fastify';
import type { Ipv4 } from '../base/addresses.ts';
import { isPeerbootError, PeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { NamedFiles } from '../base/named-files.ts';
import type { Clock, Timers } from '../base/time.ts';
import type { Observed } from '../boot/observed.ts';
import type { UnknownRule } from '../boot/plan.ts';
import type { Assignments } from './assignments.ts';
import type { BootEntries } from './boot-entries.ts';
import { adminRoutes } from './http-admin.ts';
import { addressOf, type BootRoutesOptions, bootRoutes } from './http-boot.ts';
import { contentRoutes } from './http-content.ts';
import { entryRoutes } from './http-entries.ts';
import { answerErrors } from './http-errors.ts';
import { reportFacts } from './http-facts.ts';
import { type FirmwareForHttp, firmwareAdminRoutes, firmwareSiteRoute } from './http-firmware.ts';
import { healthRoutes, type ReadyCheck } from './http-health.ts';
import { DEFAULT_HTTP_LIMITS, type HttpLimits, limitConnections } from './http-limits.ts';
import { machineOpenRoutes } from './http-machines.ts';
import { menuRoutes } from './http-menu.ts';
import { type OrdersForHttp, orderRoutes } from './http-orders.ts';
import type { CatalogueForHttp, ContentForHttp, StatsSuppliers } from './http-ports.ts';
import { sharedMachineRoutes } from './http-shared-machines.ts';
import { type SiteForHttp, siteAdminRoutes, siteFactRoutes } from './http-site.ts';
import type { LanPace } from './lan-pace.ts';
import type { Machines } from './machines.ts';
import { createMetrics } from './metrics.ts';

export interface HttpServiceOptions {
  /** 0: any free one. */
  readonly port: number;
  /** Our addresses to answer on, beside loopback; empty: every one. Asked at each connection: they may change. */
  readonly addresses: () => readonly Ipv4[];
  readonly files: NamedFiles;
  readonly content: ContentForHttp;
  readonly catalogue: CatalogueForHttp;
  /** Files of boot entries; absent: none are served. */
  readonly entries?: BootEntries | undefined;
  readonly machines: Machines;
  readonly assignments: Assignments;
  readonly peerName: string;
  readonly site: string;
  readonly version: string;
  /** Further bases of content (`http://…`) that agents may try when this peer fails. */
  readonly sources: () => readonly string[];
  /** How machines join the site as peers; see BootRoutesOptions. */
  readonly swarm?: BootRoutesOptions['swarm'];
  readonly others?: BootRoutesOptions['others'];
  readonly menus?: BootRoutesOptions['menus'];
  /** What a machine does that nothing is assigned to; `local` when absent. */
  readonly unknown?: UnknownRule;
  /** For the other boot hosts; absent without an admin token. */
  readonly siteOrders?: OrdersForHttp;
  /** What is learnt of firmwares. */
  readonly firmware?: FirmwareForHttp | undefined;
  /** Further conditions of `/readyz`. */
  readonly checks?: () => readonly ReadyCheck[];
  readonly stats?: StatsSuppliers;
  /** Limit of what leaves for the LAN. */
  readonly lan?: LanPace | undefined;
  /** Without it there are no routes of the site: a peer alone. */
  readonly siteRoutes?: SiteForHttp | undefined;
  readonly adminToken?: string | undefined;
  /** What the doctor wants to know of scripts and boot files. */
  readonly onFact?: ((fact: Observed) => void) | undefined;
  readonly limits?: Partial<HttpLimits>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

export interface HttpService {
  /** Rejects with PB-PORT-IN-USE or PB-PORT-DENIED. */
  start(): Promise<{ readonly port: number }>;
  /** Closes open connections, too: targets and agents ask again. */
  stop(): Promise<void>;
  /** For tests without a socket. */
  readonly app: FastifyInstance;
}

export function createHttpService(options: HttpServiceOptions): HttpService {
  const { log, port } = options;
  const limits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    // Longer names than any of ours, and `*` for the assignment of all.
    routerOptions: { maxParamLength: 256 },
    bodyLimit: 64 * 1024,
    connectionTimeout: limits.idleMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    forceCloseConnections: true,
    http: {
      headersTimeout: limits.headMs,
      maxHeaderSize: 16 * 1024,
      // Node looks only every 30 s otherwise, however short the limits are.
      connectionsCheckingInterval: Math.min(limits.headMs / 2, 5_000),
    },
  });
  // A web page can send text/plain across origins without asking first; no client of ours does.
  app.removeContentTypeParser('text/plain');
  answerErrors(app, log);

  const connections = limitConnections(app.server, limits, options.addresses);
  const metrics = createMetrics({
    ...options.stats,
    machines: options.machines,
    connections: () => connections,
    version: options.version,
  });
  app.addHook('onRequest', async (request, reply) => {
    const startedMs = options.clock.nowMs();
    reply.raw.once('close', () => {
      const { statusCode, writableFinished } = reply.raw;
      metrics.request(request.routeOptions.url ?? 'none', statusCode);
      log.debug(
        {
          address: addressOf(request),
          method: request.method,
          route: request.routeOptions.url,
          status: statusCode,
          whole: writableFinished,
          ms: Math.round(options.clock.nowMs() - startedMs),
        },
        'request answered',
      );
    });
  });

  if (options.onFact !== undefined) reportFacts(app, options.onFact);
  bootRoutes(app, options);
  machineOpenRoutes(app, options);
  const served = { idleMs: limits.idleMs, onServed: (bytes: number) => metrics.served(bytes) };
  contentRoutes(app, { ...options, ...served });
  if (options.entries !== undefined)
    entryRoutes(app, { ...served, entries: options.entries, lan: options.lan });
  healthRoutes(app, { ...options, checks: options.checks ?? (() => []), metrics });
  // In a scope of its own: its guard is for administration alone.
  app.register(async (scope) => {
    adminRoutes(scope, options);
    const { assignments, catalogue, files, machines, menus, unknown = 'local' } = options;
    if (menus !== undefined)
      menuRoutes(scope, { menus, machines, assignments, files, images: catalogue.images, unknown });
    if (options.siteRoutes !== undefined) siteAdminRoutes(scope, options.siteRoutes);
    if (options.firmware !== undefined) firmwareAdminRoutes(scope, options.firmware);
  });
  if (options.siteRoutes !== undefined) siteFactRoutes(app, options.siteRoutes);
  if (options.siteOrders !== undefined) orderRoutes(app, options.siteOrders);
  sharedMachineRoutes(app, { machines: options.machines, prove: options.siteOrders?.prove });
  if (options.firmware !== undefined) firmwareSiteRoute(app, options.firmware);

  return {
    app,
    async start() {
      try {
        // All addresses: an endpoint's own may change by DHCP while we run. `limitConnections` refuses the others.
        await app.listen({ port, host: '0.0.0.0' });
      } catch (error) {
        throw asPortError(error, port);
      }
      const address = app.server.address();
      return { port: typeof address === 'object' && address !== null ? address.port : port };
    },
    stop: () => app.close(),
  };
}

function asPortError(error: unknown, port: number): unknown {
  if (isPeerbootError(error)) return error;
  const code = (error as { code?: unknown }).code;
  const what = `TCP port ${port} for HTTP`;
  if (code === 'EADDRINUSE') return new PeerbootError('PB-PORT-IN-USE', what, { cause: error });
  if (code === 'EACCES') return new PeerbootError('PB-PORT-DENIED', what, { cause: error });
  return error;
}
