// The peer in figures: Prometheus metrics, read from plain suppliers at the moment somebody asks.
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { RUNGS } from '../api/agent.ts';
import type { Count, StatsSuppliers } from './http-ports.ts';
import type { Machines } from './machines.ts';

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  /** Body bytes of content that went out. */
  served(bytes: number): void;
  request(route: string, status: number): void;
}

export interface MetricsOptions extends StatsSuppliers {
  readonly machines: Machines;
  readonly connections: () => { readonly open: number; readonly refused: number };
  readonly version: string;
}

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // Its usual 10 ms would wake an idle peer a hundred times a second.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 500 });

  new Gauge({
    name: 'peerboot_machines',
    help: 'Machines by the rung of their ladder',
    labelNames: ['rung'],
    registers,
    collect() {
      for (const rung of [...RUNGS, 'failed', 'idle']) this.set({ rung }, 0);
      for (const { rung } of options.machines.list()) this.inc({ rung });
    },
  });
  new Gauge({
    name: 'peerboot_build_info',
    help: 'Always 1; which version runs is in the label',
    labelNames: ['version'],
    registers,
  }).set({ version: options.version }, 1);
  new Gauge({
    name: 'peerboot_http_connections',
    help: 'Open HTTP connections',
    registers,
    collect() {
      this.set(options.connections().open);
    },
  });
  supplied('peerboot_http_connections_refused_total', 'HTTP connections refused by a limit', [], () => [
    { labels: {}, value: options.connections().refused },
  ]);
  supplied(
    'peerboot_wan_bytes_total',
    'Bytes of content that crossed the WAN, by source and by what they were for',
    ['source', 'purpose'],
    options.wanBytes,
  );
  supplied(
    'peerboot_dhcp_packets_total',
    'DHCP packets heard, by what became of them and why',
    ['outcome', 'reason'],
    options.dhcpPackets,
  );
  supplied(
    'peerboot_tftp_transfers_total',
    'TFTP transfers by their end',
    ['outcome'],
    options.tftpTransfers,
  );
  supplied(
    'peerboot_boot_attempts_total',
    'Boot attempts by the verdict of the doctor',
    ['verdict'],
    options.bootAttempts,
  );

  const served = new Counter({
    name: 'peerboot_content_served_bytes_total',
    help: 'Bytes of chunks, manifests and catalogue sent to machines and peers',
    registers,
  });
  const requests = new Counter({
    name: 'peerboot_http_requests_total',
    help: 'HTTP requests by route and status',
    labelNames: ['route', 'status'],
    registers,
  });

  /** A counter that is kept elsewhere: taken over whole each time it is read. */
  function supplied(
    name: string,
    help: string,
    labelNames: string[],
    read: (() => readonly Count[]) | undefined,
  ): void {
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const { labels, value } of read?.() ?? []) this.inc(labels, value);
      },
    });
  }

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    served: (bytes) => served.inc(bytes),
    request: (route, status) => requests.inc({ route, status: String(status) }),
  };
}
