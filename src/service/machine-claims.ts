// What each event tells about whose it is, freed of what board makers left unfilled.
import type { CheckIn } from '../api/agent.ts';
import { smbiosText } from '../base/smbios-text.ts';
import { normaliseUuid } from '../base/uuid.ts';
import type { MachineEvent } from '../boot/progress.ts';
import type { Claim } from './machine-index.ts';

export function claimOf(event: Exclude<MachineEvent, { kind: 'report' | 'file' }>): Claim {
  switch (event.kind) {
    case 'dhcp':
      return {
        depth: 'hint',
        identity: boardOf({ uuid: event.uuid }),
        macs: [event.mac],
        address: event.address,
      };
    case 'script': {
      const { mac } = event.query;
      const macs = mac === undefined ? [] : [mac];
      return { depth: 'board', identity: boardOf(event.query), macs, address: event.address };
    }
    case 'check-in':
      return checkInClaim(event.address, event.checkIn);
  }
}

export function checkInClaim(address: string, { identity }: CheckIn): Claim {
  return { depth: 'whole', identity: boardOf(identity), macs: identity.macs, address };
}

type Board = Claim['identity'];

/** Only what says something: a text that every other board carries, too, must not make them one. */
function boardOf(told: Board): Board {
  const text = (value: string | undefined) => (value === undefined ? undefined : smbiosText(value));
  const fields: { readonly [K in keyof Board]: Board[K] } = {
    uuid: told.uuid === undefined ? undefined : normaliseUuid(told.uuid),
    serial: text(told.serial),
    boardSerial: text(told.boardSerial),
    manufacturer: text(told.manufacturer),
    product: text(told.product),
    asset: text(told.asset),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
