// The registry of machines with each one's chain, and the memory of chains told of all that the registry hears.
import type { MachineView } from '../api/machines.ts';
import type { Mac } from '../base/addresses.ts';
import type { ChainMemory } from '../boot/chain-memory.ts';
import type { ChainsPort } from './dhcp-service.ts';
import type { Machines } from './machines.ts';

/** The same registry: its views carry `chain`, the way that the machine's firmware was given last. */
export function chainedMachines(machines: Machines, memory: ChainMemory): Machines {
  function chained(view: MachineView): MachineView {
    const chain = view.identity.macs.map((mac) => memory.chainOf(mac)).find((one) => one !== undefined);
    return chain === undefined ? view : { ...view, chain };
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
export function chainsOf(machines: Machines, memory: ChainMemory): ChainsPort {
  return {
    firmwareAsks: (mac) => memory.firmwareAsks(mac),
    gave: (mac, first) => memory.gave(mac, first),
    facts(mac: Mac | undefined) {
      const tags = mac === undefined ? undefined : machines.find(mac)?.tags;
      return { ...memory.facts(mac), ...(tags === undefined ? {} : { tags }) };
    },
  };
}
