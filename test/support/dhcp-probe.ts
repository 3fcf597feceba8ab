// A process that asks who answers on the interface named by its argument, and says it as one JSON line.
import { chooseInterfaces } from '../../src/io/interfaces.ts';
import { openUdp } from '../../src/io/udp.ts';
import { probeServers } from '../../src/service/dhcp-probe.ts';

const [served] = chooseInterfaces(process.argv.slice(2, 3));
if (served?.mac === undefined) throw new Error('this interface has no MAC');
const servers = await probeServers({
  openUdp,
  address: served.address,
  mac: served.mac,
  listenMs: 1_000,
  random: { next: Math.random },
  timers: {
    after(delayMs, wake) {
      const timer = setTimeout(wake, delayMs);
      return () => clearTimeout(timer);
    },
  },
});
process.stdout.write(`${JSON.stringify(servers)}\n`);
