// The registry of machines with each one's last boot verdict, and the doctor told of every check-in.
import type { MachineView } from '../api/machines.ts';
import { parseIpv4, parseMac } from '../base/addresses.ts';
import type { Doctor } from './doctor.ts';
import type { Machines } from './machines.ts';

/** The same registry: its views carry `boot`, and a verdict counts as a change of its machine. */
export function judgedMachines(machines: Machines, doctor: Doctor): Machines {
  function judged(view: MachineView): MachineView {
    const found = doctor.verdictOf(view.identity.macs);
    if (found === undefined) return view;
    const { verdict, firmware, evidence, remedy, wallMs } = found;
    return { ...view, boot: { verdict, firmware, evidence: [...evidence], remedy, wallMs } };
  }
  const orNone = (view: MachineView | undefined) => (view === undefined ? undefined : judged(view));
  return {
    ...machines,
    observe: (event) => orNone(machines.observe(event)),
    checkIn(address, checkIn) {
      const { machine, plan } = machines.checkIn(address, checkIn);
      const macs = checkIn.identity.macs.flatMap((mac) => parseMac(mac) ?? []);
      doctor.observe({ kind: 'check-in', address: parseIpv4(address), macs });
      return { machine: judged(machine), plan };
    },
    list: () => machines.list().map(judged),
    find: (name) => orNone(machines.find(name)),
    subscribe(listener) {
      const ends = [
        machines.subscribe((view) => listener(judged(view))),
        doctor.subscribe(({ mac }) => {
          const view = mac === undefined ? undefined : machines.find(mac);
          if (view !== undefined) listener(judged(view));
        }),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
  };
}
