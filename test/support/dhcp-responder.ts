// A process that runs the DHCP service alone, so that a test can put it into a network namespace.
// Arguments: the interfaces to serve, and any of --observe, --chain. Says one JSON line per log line, and
// `{stats, servers, events}` at each SIGUSR2; ends at SIGTERM.
import type { MachineEvent } from '../../src/boot/progress.ts';
import { chooseInterfaces } from '../../src/io/interfaces.ts';
import { openUdp } from '../../src/io/udp.ts';
import { createDhcpService } from '../../src/service/dhcp-service.ts';
import { TEST_ASSETS } from './boot-context.ts';
import { jsonLog, say } from './json-log.ts';

const words = process.argv.slice(2);

const events: MachineEvent[] = [];
const service = createDhcpService({
  openUdp,
  interfaces: chooseInterfaces(words.filter((word) => !word.startsWith('--'))),
  httpPort: 8067,
  assets: TEST_ASSETS,
  observe: words.includes('--observe'),
  chainOldIpxe: words.includes('--chain'),
  log: jsonLog,
  clock: { nowMs: () => performance.now(), wallMs: () => Date.now() },
  onMachineEvent: (event) => events.push(event),
});

try {
  await service.start();
} catch (error) {
  const { code, message } = error as Error & { code?: string };
  say({ failed: code ?? 'unknown', message });
  process.exit(1);
}
process.on('SIGUSR2', () =>
  say({ stats: service.stats(), servers: service.heardServers(), events: events.splice(0) }),
);
process.once('SIGTERM', () => {
  // With its sockets closed, nothing holds the process but the signal handlers.
  void service.stop().then(() => process.exit(0));
});
say({ msg: 'ready' });
