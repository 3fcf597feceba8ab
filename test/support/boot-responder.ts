// A process that answers DHCP, TFTP and one script by HTTP on eth0: as much of a peer as firmware sees before the agent.
// Arguments: a folder with NBPs, and perhaps --chain. Says one JSON line per log line, and `{script: address}` when asked.
import { createServer } from 'node:http';
import { ROUTES } from '../../src/api/routes.ts';
import { systemClock, systemTimers } from '../../src/io/clock.ts';
import { chooseInterfaces } from '../../src/io/interfaces.ts';
import { loadNamedFiles } from '../../src/io/named-files.ts';
import { tftpSockets } from '../../src/io/tftp-sockets.ts';
import { openUdp } from '../../src/io/udp.ts';
import { createDhcpService } from '../../src/service/dhcp-service.ts';
import { createTftpService } from '../../src/service/tftp-service.ts';
import { jsonLog, say } from './json-log.ts';

const [folder = '.', ...words] = process.argv.slice(2);
const HTTP_PORT = 8067;

const interfaces = chooseInterfaces(['eth0']);
const files = await loadNamedFiles(folder, jsonLog);
const common = { log: jsonLog, clock: systemClock, onMachineEvent: (event: object) => say({ event }) };
const tftp = createTftpService({
  ...common,
  addresses: interfaces.map((one) => one.address),
  sockets: tftpSockets,
  files,
  timers: systemTimers,
});
const dhcp = createDhcpService({
  ...common,
  openUdp,
  interfaces,
  httpPort: HTTP_PORT,
  assets: files.list(),
  observe: false,
  chainOldIpxe: words.includes('--chain'),
});
const http = createServer(async (request, response) => {
  const name = (request.url ?? '').slice(`${ROUTES.files}/`.length);
  const file = request.url?.startsWith(ROUTES.files) === true ? files.get(name) : undefined;
  const body =
    file === undefined
      ? Buffer.from('#!ipxe\necho the end\nsleep 600\n')
      : await file.read(0, file.sizeBytes);
  response.writeHead(200, { 'content-length': body.length, 'content-type': 'application/octet-stream' });
  response.end(request.method === 'HEAD' ? undefined : body);
  say({ http: `${request.method} ${request.url}`, agent: request.headers['user-agent'] });
});
http.listen(HTTP_PORT, () => {
  void Promise.all([tftp.start(), dhcp.start()]).then(() => say({ msg: 'ready' }));
});
process.once('SIGTERM', () => process.exit(0));
