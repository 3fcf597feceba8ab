// Is the peer alive, is it ready, and its figures: for supervisors and Prometheus.
import type { FastifyInstance } from 'fastify';
import { ROUTES } from '../api/routes.ts';
import type { NamedFiles } from '../base/named-files.ts';
import { AGENT_ARCHITECTURES } from '../boot/agent-files.ts';
import { missingAgentFiles } from './http-boot.ts';
import type { CatalogueForHttp } from './http-ports.ts';
import type { Metrics } from './metrics.ts';

/** One thing that must hold before this peer can image a machine. */
export interface ReadyCheck {
  readonly name: string;
  readonly ok: boolean;
  /** In words: what is there, or what is missing. */
  readonly what: string;
}

export interface HealthRoutesOptions {
  readonly files: NamedFiles;
  readonly catalogue: CatalogueForHttp;
  /** What only the roof knows, e.g. whether the DHCP and TFTP ports are open. */
  readonly checks: () => readonly ReadyCheck[];
  readonly metrics: Metrics;
}

export function healthRoutes(app: FastifyInstance, options: HealthRoutesOptions): void {
  app.get(ROUTES.live, () => ({ live: true }));

  app.get(ROUTES.ready, (_request, reply) => {
    const checks = [filesCheck(options.files), catalogueCheck(options.catalogue), ...options.checks()];
    const ready = checks.every(({ ok }) => ok);
    return reply.code(ready ? 200 : 503).send({ ready, checks });
  });

  app.get(ROUTES.metrics, async (_request, reply) =>
    reply.header('content-type', options.metrics.contentType).send(await options.metrics.text()),
  );
}

function filesCheck(files: NamedFiles): ReadyCheck {
  const names = new Set(files.list().map(({ name }) => name));
  // A site whose machines are all arm64 has no agent for x64.
  const lacking = AGENT_ARCHITECTURES.map((architecture) => missingAgentFiles(architecture, files));
  const missing = lacking.some((names) => names.length === 0) ? [] : (lacking[0] ?? []);
  const hasNbp = [...names].some((name) => /\.(k?k?pxe|efi)$/i.test(name));
  const lacks = [...missing, ...(hasNbp ? [] : ['an NBP (undionly.kpxe, snponly.efi)'])];
  const what = lacks.length === 0 ? `${names.size} boot files` : `PB-ASSETS-MISSING: ${lacks.join(', ')}`;
  return { name: 'boot files', ok: lacks.length === 0, what };
}

/** A held catalogue still images machines: it is the last good one. */
function catalogueCheck(catalogue: CatalogueForHttp): ReadyCheck {
  const { state, reason } = catalogue.state();
  const what = [state, ...(reason === undefined ? [] : [reason])].join(': ');
  return { name: 'catalogue', ok: state !== 'none', what };
}
