// What an event says about its machine, apart from how far it is: firmware, disks, progress, failure.
import type { Log } from '../base/log.ts';
import type { MachineEvent } from '../boot/progress.ts';
import type { MachineRow } from './machine-index.ts';
import { UNTOLD_FAILURE } from './machine-view.ts';

/** Takes what the event says about the machine, apart from its ladder. */
export function learn(row: MachineRow, event: MachineEvent, log: Log): void {
  switch (event.kind) {
    case 'dhcp':
      row.firmware = event.firmware ?? row.firmware;
      return;
    case 'file':
      log.info({ machine: row.id, file: event.name, via: event.via }, 'machine fetched a file');
      return;
    case 'script': {
      const { platform } = event.query;
      if (platform !== undefined) row.firmware = platform === 'efi' ? 'uefi' : 'bios';
      row.choice = undefined;
      return;
    }
    case 'check-in': {
      row.firmware = event.checkIn.firmware;
      row.disks = event.checkIn.disks;
      if (row.ladder?.bootId !== event.checkIn.bootId) row.progress = undefined;
      row.known = true;
      return;
    }
    case 'report':
      row.progress = event.report;
      row.failure = event.report.rung === 'failed' ? (event.report.failure ?? UNTOLD_FAILURE) : undefined;
      return;
  }
}
