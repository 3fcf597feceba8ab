// Who a machine is and what it is made of, as its agent reads it and its peer keeps it.
import * as z from 'zod';

/** SMBIOS strings are what the board's maker typed: short, printable, never trusted in scripts or file names. */
const smbiosText = z.string().max(128);
const macText = z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);

export const MachineIdentity = z.object({
  /** SMBIOS UUID, lower case with dashes; absent when the board has none or a placeholder. */
  uuid: z.string().max(36).optional(),
  serial: smbiosText.optional(),
  manufacturer: smbiosText.optional(),
  product: smbiosText.optional(),
  asset: smbiosText.optional(),
  /** Of the mainboard: tells machines apart whose maker gave all of them one serial or UUID. */
  boardSerial: smbiosText.optional(),
  /** The NIC that booted first, then the others. */
  macs: z.array(macText).min(1).max(32),
});
export type MachineIdentity = z.infer<typeof MachineIdentity>;

export const NicFacts = z.object({
  name: z.string().max(32),
  mac: macText,
  driver: z.string().max(64).optional(),
  carrier: z.boolean(),
  speedMbps: z.number().int().nonnegative().optional(),
  ipv4: z.string().max(18).optional(),
});
export type NicFacts = z.infer<typeof NicFacts>;

/** Written to a disk when it was sealed: who it became, and under which ticket. */
export const Receipt = z.object({
  ticket: z.string().max(64),
  machine: z.string().max(64),
  /** `name@version` */
  image: z.string().max(128),
  /** The machine's name, when it was given one. */
  name: z.string().max(63).optional(),
});
export type Receipt = z.infer<typeof Receipt>;

/** What is on a disk, most telling first; `blank` only when its ends and known signatures are all zero. */
export const DiskContent = z.object({
  blank: z.boolean(),
  /** `gpt`, `mbr` or none. */
  table: z.enum(['gpt', 'mbr']).optional(),
  partitions: z.array(
    z.object({
      name: z.string().max(64),
      sizeBytes: z.number().int().nonnegative(),
      /** `ext4`, `ntfs`, `vfat`, … when a signature is known. */
      filesystem: z.string().max(32).optional(),
      label: z.string().max(64).optional(),
    }),
  ),
  /** What our agent left on it when it was imaged; see imaging/receipt. */
  receipt: Receipt.optional(),
});
export type DiskContent = z.infer<typeof DiskContent>;

export const DiskFacts = z.object({
  /** Kernel name without /dev, e.g. `vda`, `nvme0n1`. */
  name: z.string().max(32),
  sizeBytes: z.number().int().nonnegative(),
  logicalSectorBytes: z.number().int().positive(),
  model: z.string().max(128).optional(),
  serial: smbiosText.optional(),
  /** `emmc` is soldered to the board, `mmc` is a card that somebody may have left in. */
  transport: z.enum(['virtio', 'nvme', 'sata', 'scsi', 'usb', 'emmc', 'mmc', 'other']),
  removable: z.boolean(),
  readOnly: z.boolean(),
  mounted: z.boolean(),
  rotational: z.boolean(),
  content: DiskContent,
});
export type DiskFacts = z.infer<typeof DiskFacts>;
