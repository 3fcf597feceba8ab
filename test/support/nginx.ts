// nginx on loopback over a folder, as any CDN would serve it: own configuration, foreground, ended by its own pid.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { until } from './until.ts';

export interface Nginx {
  readonly base: string;
  readonly port: number;
  readonly process: ChildProcess;
  /** One line for each answer so far: status, body bytes sent, path, Range. */
  requests(): readonly {
    readonly status: number;
    readonly bytes: number;
    readonly path: string;
    readonly range: string;
  }[];
  stop(): Promise<void>;
}

export interface NginxOptions {
  /** Scratch folder for configuration, pid and logs. */
  readonly home: string;
  /** What is served. */
  readonly root: string;
  /** Further lines of the `server` block, e.g. `limit_rate 64k;`. */
  readonly extra?: string;
  /** Further lines of the `http` block. */
  readonly extraHttp?: string;
  readonly port?: number;
  /** `requests()` is read from it; off for benchmarks. */
  readonly accessLog?: boolean;
}

export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const { home, root } = options;
  const port = options.port ?? (await freePort());
  mkdirSync(join(home, 'temp'), { recursive: true });
  const accessLog = join(home, 'access.log');
  writeFileSync(accessLog, '');
  const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${home}/temp;`)
    .join(' ');
  const config = join(home, 'nginx.conf');
  writeFileSync(
    config,
    `${process.getuid?.() === 0 ? 'user root; ' : ''}daemon off; master_process off; pid ${home}/nginx.pid;
error_log ${home}/error.log;
events { worker_connections 512; }
http {
  ${temps}
  log_format plain '$status $body_bytes_sent $uri $http_range';
  access_log ${options.accessLog === false ? 'off' : `${accessLog} plain`};
  sendfile on; tcp_nopush on; keepalive_requests 1000000; ${options.extraHttp ?? ''}
  server { listen 127.0.0.1:${port}; root ${root}; default_type application/octet-stream; ${options.extra ?? ''} }
}
`,
  );
  const child = spawn('nginx', ['-c', config, '-e', `${home}/error.log`], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  await until(() => child.exitCode !== null || readsPid(home), {
    timeoutMs: 10_000,
    what: 'nginx has started',
  });
  if (child.exitCode !== null) throw new Error(`nginx ended: ${readFileSync(`${home}/error.log`, 'utf8')}`);
  return {
    base: `http://127.0.0.1:${port}`,
    port,
    process: child,
    requests: () =>
      readFileSync(accessLog, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const [status = '', bytes = '', path = '', range = ''] = line.split(' ');
          return { status: Number(status), bytes: Number(bytes), path, range };
        }),
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** nginx writes its pid once it listens. */
function readsPid(home: string): boolean {
  try {
    return readFileSync(join(home, 'nginx.pid'), 'utf8').trim() !== '';
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
