// The registry of machines with each one's chain and dialect, and the memory of firmwares told of all that the registry hears.
import type { MachineView } from '../api/machines.ts';
import type { Mac } from '../base/addresses.ts';
import type { ChainsPort } from './dhcp-service.ts';
import type { FirmwareMemory } from './firmware-memory.ts';
import type { Machines } from './machines.ts';

/** The same registry: its views carry `chain` and `dialect`, the way that the machine's firmware was given last, and in which words. */
export function chainedMachines(machines: Machines, memory: FirmwareMemory): Machines {
  function chained(view: MachineView): MachineView {
    const { macs } = view.identity;
    const chain = macs.map((mac) => memory.chainOf(mac)).find((one) => one !== undefined);
    const dialect = memory.dialectOf(macs);
    return {
      ...view,
      ...(chain === undefined ? {} : { chain }),
      ...(dialect === undefined ? {} : { dialect }),
    };
  }
  const orNone = (view: MachineView | undefined) => (view === undefined ? undefined : chained(view));
  return {
    ...machines,
    observe(event) {
      memory.observe(event);
      return orNone(machines.observe(event));
    },
    checkIn(address, checkIn) {
      memory.observe({ kind: 'check-in', address, checkIn });
      const { machine, plan } = machines.checkIn(address, checkIn);
      return { machine: chained(machine), plan };
    },
    list: () => machines.list().map(chained),
    find: (name) => orNone(machines.find(name)),
    subscribe: (listener) => machines.subscribe((view) => listener(chained(view))),
  };
}

/** What the DHCP service asks of both. */
export function chainsOf(machines: Machines, memory: FirmwareMemory): ChainsPort {
  return {
    firmwareAsks: memory.firmwareAsks,
    gave: memory.gaveFile,
    facts(mac: Mac | undefined) {
      const tags = mac === undefined ? undefined : machines.find(mac)?.tags;
      return { secureBoot: memory.enforcesSecureBoot(mac), ...(tags === undefined ? {} : { tags }) };
    },
  };
}
