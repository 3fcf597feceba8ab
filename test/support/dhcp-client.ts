// A process that sends crafted datagrams from a network namespace and says what comes back, one JSON line each.
// Its one argument is a DhcpClientJob as JSON.
import { createSocket, type Socket } from 'node:dgram';
import { fromHex, toHex } from '../../src/base/bytes.ts';

export interface DhcpClientJob {
  /** Sockets to open; the first one sends unless a datagram says otherwise. */
  readonly listen: readonly { readonly address: string; readonly port: number }[];
  readonly send: readonly {
    readonly hex: string;
    readonly address: string;
    readonly port: number;
    /** Index into `listen`. */
    readonly from?: number;
  }[];
  /** Wait until this many datagrams came back, at most five seconds … */
  readonly replies: number;
  /** … and then as long as this without another one. */
  readonly quietMs: number;
}

export interface HeardDatagram {
  readonly hex: string;
  readonly source: { readonly address: string; readonly port: number };
  /** Port that it came to. */
  readonly port: number;
}

const PATIENCE_MS = 5_000;

function open(address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, address, () => {
      socket.setBroadcast(true);
      resolve(socket);
    });
  });
}

async function main(job: DhcpClientJob): Promise<void> {
  const sockets = await Promise.all(job.listen.map(({ address, port }) => open(address, port)));
  let heard = 0;
  let timer = setTimeout(end, PATIENCE_MS);
  function end(): void {
    clearTimeout(timer);
    for (const socket of sockets) socket.close();
  }
  function restart(): void {
    clearTimeout(timer);
    timer = setTimeout(end, heard >= job.replies ? job.quietMs : PATIENCE_MS);
  }
  for (const [i, socket] of sockets.entries()) {
    socket.on('message', (bytes, source) => {
      heard += 1;
      const line: HeardDatagram = {
        hex: toHex(bytes),
        source: { address: source.address, port: source.port },
        port: job.listen[i]?.port ?? 0,
      };
      process.stdout.write(`${JSON.stringify(line)}\n`);
      restart();
    });
  }
  for (const { hex, address, port, from } of job.send) {
    const socket = sockets[from ?? 0] as Socket;
    await new Promise<void>((resolve, reject) => {
      socket.send(fromHex(hex) as Uint8Array, port, address, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  }
  restart();
}

await main(JSON.parse(process.argv[2] ?? '{}') as DhcpClientJob);
