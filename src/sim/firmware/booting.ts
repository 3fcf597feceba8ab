// A whole machine being switched on: its firmware, the NBP that this loads, and what that loads in turn, till the machine has its orders.
import type { Machine } from '../../base/machine.ts';
import type { Random } from '../../base/random.ts';
import type { MonotonicMs } from '../../base/time.ts';
import type { Dialect } from '../../boot/quirks.ts';
import { BiosRom } from './bios-rom.ts';
import type { IpxeKind } from './dialects.ts';
import { Edk2Pxe } from './edk2.ts';
import {
  type BootOutcome,
  type Firmware,
  type FirmwareAction,
  type FirmwareEvent,
  type FirmwareHardware,
  type LoadedFile,
  NOTHING,
  type PxeMemory,
} from './firmware.ts';
import { HttpBoot } from './http-boot.ts';
import { Ipxe } from './ipxe.ts';
import type { Settings } from './ipxe-script.ts';
import type { FirmwareName } from './names.ts';
import { Shim } from './shim.ts';

export interface BootingOptions {
  readonly firmware: FirmwareName;
  readonly hardware: FirmwareHardware;
  readonly random: Random;
  readonly until: 'script' | 'agent';
  readonly hasRouter?: boolean;
  readonly settings?: Settings;
  /** `edk2` and `bios` as a vendor's build that refuses offers in the other dialect. */
  readonly takesOnly?: Dialect | undefined;
  /** Which iPXE `ipxe` is, and what the NBPs are. */
  readonly ipxe?: '1.0.0' | '2.0.0';
}

/** Its `end` is the machine's last word: `loaded` only for a file that is no program known here. */
export class BootingMachine implements Machine<FirmwareEvent, FirmwareAction> {
  readonly #options: BootingOptions;
  #stage: Firmware;
  #isOver = false;

  constructor(options: BootingOptions) {
    this.#options = options;
    this.#stage = this.#firmware();
  }

  step(event: FirmwareEvent, now: MonotonicMs): readonly FirmwareAction[] {
    if (this.#isOver) return NOTHING;
    const actions = this.#stage.step(event, now);
    const last = actions.at(-1);
    if (last?.kind !== 'end') return actions;
    const next = this.#after(last.outcome);
    if (next === undefined) {
      this.#isOver = true;
      return actions;
    }
    this.#stage = next;
    return [...actions.slice(0, -1), ...this.step({ kind: 'power-on' }, now)];
  }

  nextWake(): MonotonicMs | undefined {
    return this.#isOver ? undefined : this.#stage.nextWake();
  }

  #firmware(): Firmware {
    const { firmware, hardware, random, takesOnly } = this.#options;
    switch (firmware) {
      case 'edk2':
      case 'shim':
        return new Edk2Pxe(hardware, random, 'today', 7, takesOnly);
      case 'edk2-2016':
        return new Edk2Pxe(hardware, random, '2016');
      case 'bios':
        return new BiosRom(hardware, random, takesOnly);
      case 'httpboot':
        return new HttpBoot(hardware, random);
      case 'ipxe':
        return this.#ipxe('bios', false);
    }
  }

  #after(outcome: BootOutcome): Firmware | undefined {
    if (outcome.kind !== 'loaded') return undefined;
    const { file, memory } = outcome;
    const name = file.name.slice(file.name.lastIndexOf('/') + 1).toLowerCase();
    if (this.#isShim(name)) return this.#shim(file, memory);
    const byPxe = file.via === 'tftp';
    if (/^undionly.*\.kpxe$/.test(name)) return this.#ipxe('bios', byPxe);
    if (/^(snponly|ipxe|grub).*\.efi$/.test(name)) return this.#ipxe('uefi', byPxe);
    return undefined;
  }

  /** Shim starts its second stage, never itself again. */
  #isShim(name: string): boolean {
    if (this.#stage instanceof Shim || this.#stage instanceof Ipxe) return false;
    return this.#options.firmware === 'shim' || name.startsWith('shim');
  }

  #shim(self: LoadedFile, memory: PxeMemory | undefined): Firmware {
    return new Shim({ self, memory, random: this.#options.random });
  }

  #ipxe(platform: 'bios' | 'uefi', loadedByPxe: boolean): Firmware {
    const { hardware, random, until, hasRouter, settings, ipxe = '1.0.0' } = this.#options;
    const kind: IpxeKind = `${ipxe}-${platform}`;
    return new Ipxe({
      hardware,
      random,
      kind,
      until,
      loadedByPxe,
      ...(hasRouter === undefined ? {} : { hasRouter }),
      ...(settings === undefined ? {} : { settings }),
    });
  }
}
