// A process that serves a folder by TFTP with the real parts: for tests in namespaces and for benchmarks.
// Its argument is a TftpServerOrder as JSON. It says `ready <port>` or `failed <code>`, and `stats <JSON>` at its end.
import { isPeerbootError } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemClock, systemTimers } from '../../src/io/clock.ts';
import { loadNamedFiles } from '../../src/io/named-files.ts';
import { tftpSockets } from '../../src/io/tftp-sockets.ts';
import { createTftpService } from '../../src/service/tftp-service.ts';
import type { TftpServerOrder } from './tftp-serving.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as TftpServerOrder;
const files = await loadNamedFiles(order.folder, silentLog);
const service = createTftpService({
  addresses: order.addresses,
  port: order.port,
  sockets: tftpSockets,
  files,
  limits: order.limits ?? {},
  log: silentLog,
  clock: systemClock,
  timers: systemTimers,
  onMachineEvent: (event) => console.log(`event ${JSON.stringify(event)}`),
});
try {
  const [first] = await service.start();
  console.log(`ready ${first?.port}`);
  process.once('SIGTERM', async () => {
    console.log(`stats ${JSON.stringify(service.stats())}`);
    await service.stop();
    await files.close();
  });
} catch (error) {
  console.log(`failed ${isPeerbootError(error) ? error.code : String(error)}`);
  await files.close();
}
