// The store's other parts, all real: dnsmasq as its DHCP server, nginx as the CDN, tcpdump as the witness.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DNSMASQ } from '../support/dnsmasq.ts';
import { ADDRESSES, type StoreNetwork } from './network.ts';
import { type Running, start } from './process.ts';

/**
 * The store's own DHCP server: addresses only, no boot options. `--no-ping`, or each first offer is 3 s late; a router
 * advertisement, or iPXE 1.0.0 waits 16 s for one.
 */
export async function startDhcpServer(network: StoreNetwork, folder: string): Promise<Running> {
  const server = start(
    'dnsmasq',
    [
      ...DNSMASQ,
      '--interface=eth0',
      '--bind-interfaces',
      '--no-ping',
      '--leasefile-ro',
      '--log-dhcp',
      '--user=root',
      `--dhcp-range=${ADDRESSES.dhcpRange.join(',')},255.255.255.0,1h`,
      `--dhcp-option=option:router,${ADDRESSES.dhcpServer}`,
      '--enable-ra',
      '--dhcp-range=fd77::,ra-only',
    ],
    { namespace: network.dhcpNamespace, logFile: join(folder, 'dnsmasq.log') },
  );
  await server.log.waitFor((line) => (line.includes('IP range') ? line : undefined), {
    timeoutMs: 10_000,
    what: 'dnsmasq serves its range',
  });
  return server;
}

export interface Cdn {
  readonly base: string;
  /** Bytes of answers' bodies so far, from nginx's own access log: what crossed the WAN. */
  bytesServed(): number;
  /** Paths asked for, in order, with the status. */
  requests(): readonly { readonly path: string; readonly status: number; readonly bytes: number }[];
  stop(): Promise<void>;
}

export interface CdnOptions {
  readonly port?: number;
  /** Elsewhere than at the far end of the WAN: the address there, and its namespace. */
  readonly address?: string;
  readonly namespace?: string;
}

/** nginx over a published tree, as any CDN would serve it. */
export async function startCdn(
  network: Pick<StoreNetwork, 'cdnNamespace'>,
  folder: string,
  tree: string,
  options: CdnOptions = {},
): Promise<Cdn> {
  const { port = 80, address = ADDRESSES.cdn, namespace = network.cdnNamespace } = options;
  const home = join(folder, `cdn-${port}`);
  mkdirSync(join(home, 'temp'), { recursive: true });
  const accessLog = join(home, 'access.log');
  writeFileSync(accessLog, '');
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${home}/temp/${kind};`)
    .join(' ');
  writeFileSync(
    join(home, 'nginx.conf'),
    `user root; daemon off; worker_processes 1; pid ${home}/nginx.pid; error_log ${home}/error.log notice;
events { worker_connections 1024; }
http {
  ${temp}
  log_format bytes '$status $body_bytes_sent $uri';
  access_log ${accessLog} bytes;
  sendfile on; tcp_nopush on;
  server { listen ${address}:${port}; root ${tree}; default_type application/octet-stream; }
}
`,
  );
  const server = start('nginx', ['-c', join(home, 'nginx.conf'), '-p', home, '-e', join(home, 'error.log')], {
    namespace,
    logFile: join(home, 'nginx.log'),
  });
  const requests = () =>
    readFileSync(accessLog, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [status = '', bytes = '', path = ''] = line.split(' ');
        return { status: Number(status), bytes: Number(bytes), path };
      });
  return {
    base: `http://${address}${port === 80 ? '' : `:${port}`}`,
    requests,
    bytesServed: () => requests().reduce((total, request) => total + request.bytes, 0),
    stop: () => server.stop('SIGTERM'),
  };
}

/** All but the bulk of TCP: DHCP, TFTP, ARP, connections opened and closed, and the heads of HTTP requests. */
const WITNESS_FILTER =
  'not tcp or tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0' +
  ['GET ', 'HEAD', 'POST']
    .map((verb) => ` or tcp[((tcp[12]&0xf0)>>2):4] = 0x${Buffer.from(verb).toString('hex')}`)
    .join('');

/** Heads of frames on the store's switch, kept when something fails. */
export function startCapture(network: StoreNetwork, folder: string): Running {
  return start(
    'tcpdump',
    ['-i', 'br0', '-s', '640', '-U', '-w', join(folder, 'capture.pcap'), WITNESS_FILTER],
    {
      namespace: network.switchNamespace,
      logFile: join(folder, 'tcpdump.log'),
    },
  );
}
