// `peerboot verify <path>`: cuts what lies there as it was cut when published, and compares it with the receipt.
import { PeerbootError } from '../base/errors.ts';
import { ContentPrint } from '../chunk/content-print.ts';
import { digestOf } from '../io/hash.ts';
import { createPackPool } from '../io/pack-pool.ts';
import { readReceipt } from './fetch-receipt.ts';
import { colours, formatBytes, printJson } from './terminal.ts';

/** Rejects with PB-PACKAGE-DIFFERS, PB-PACKAGE-NO-RECEIPT, PB-PACKAGE-UNREADABLE or PB-PACKAGE-ENTRY. */
export async function verify(path: string, flags: { readonly json?: boolean }): Promise<void> {
  const receipt = readReceipt(path);
  const pool = createPackPool();
  try {
    const there = pool.openPackage(path, receipt.file);
    const print = new ContentPrint();
    for await (const { slices } of there.segments()) {
      for (const { length, rawDigest } of slices) print.add(length, rawDigest);
    }
    if (digestOf(print.bytes()) !== receipt.content) {
      throw new PeerbootError(
        'PB-PACKAGE-DIFFERS',
        `${path} is no longer ${receipt.name}@${receipt.version} as it was fetched on ${receipt.finished}`,
      );
    }
  } finally {
    await pool.close();
  }
  const { name, version, files, archiveBytes } = receipt;
  if (flags.json === true) printJson({ ok: true, name, version, files, archiveBytes });
  else
    console.log(
      `${colours.green('✔')} ${path} is ${name}@${version}, ${files} files, ${formatBytes(archiveBytes)}`,
    );
}
