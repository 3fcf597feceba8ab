// Signs UEFI programs (Authenticode) with the host's sbsign or osslsigncode; the key is read by that tool alone.
import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { promisify } from 'node:util';
import { PeerbootError } from '../base/errors.ts';

export interface Signer {
  readonly keyPath: string;
  readonly certificatePath: string;
  /** Of the certificate, in one line. */
  readonly subject: string;
  /** SHA-256 of the certificate, as firmware setups and `mokutil` show it. */
  readonly fingerprint: string;
}

/** Both as PEM. Rejects a pair that does not belong together, and one that firmware would not take. */
export function readSigner(keyPath: string, certificatePath: string): Signer {
  const certificate = parsed(certificatePath, 'certificate', (text) => new X509Certificate(text));
  const text = readOr(keyPath, 'key');
  // A key with a pass phrase is opened by the signing tool, which asks for it.
  if (!text.includes('ENCRYPTED')) {
    const key = parsed(keyPath, 'key', createPrivateKey);
    if (!certificate.checkPrivateKey(key)) {
      throw new PeerbootError('PB-SIGN-FAILED', `${keyPath} is not the key of ${certificatePath}`);
    }
    if (key.asymmetricKeyType !== 'rsa') {
      throw new PeerbootError(
        'PB-SIGN-FAILED',
        `${keyPath} is no RSA key: UEFI firmware knows RSA-2048 surely`,
      );
    }
  }
  if (Date.parse(certificate.validTo) < Date.now()) {
    throw new PeerbootError('PB-SIGN-FAILED', `${certificatePath} was valid until ${certificate.validTo}`);
  }
  const subject = certificate.subject.replaceAll('\n', ', ');
  return { keyPath, certificatePath, subject, fingerprint: certificate.fingerprint256 };
}

function parsed<T>(path: string, what: string, parse: (text: string) => T): T {
  const text = readOr(path, what);
  try {
    return parse(text);
  } catch (cause) {
    throw new PeerbootError('PB-SIGN-FAILED', `${path} holds no ${what} in PEM form`, { cause });
  }
}

function readOr(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new PeerbootError('PB-SIGN-FAILED', `the ${what} ${path} cannot be read`, { cause });
  }
}

const MINUTE_MS = 60_000;

/** Rejects with PB-SIGN-TOOL-MISSING, or PB-SIGN-FAILED and the tool's own words; then nothing is left at `to`. */
export async function signProgram(signer: Signer, from: string, to: string): Promise<void> {
  const { keyPath, certificatePath } = signer;
  const tools: readonly [string, readonly string[]][] = [
    ['sbsign', ['--key', keyPath, '--cert', certificatePath, '--output', to, from]],
    [
      'osslsigncode',
      ['sign', '-h', 'sha256', '-certs', certificatePath, '-key', keyPath, '-in', from, '-out', to],
    ],
  ];
  for (const [tool, words] of tools) {
    try {
      await promisify(execFile)(tool, words, { timeout: MINUTE_MS });
      return;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') continue;
      rmSync(to, { force: true });
      const said = String((cause as { stderr?: unknown }).stderr ?? '').trim();
      throw new PeerbootError('PB-SIGN-FAILED', `${tool}: ${said || String(cause)}`, { cause });
    }
  }
  throw new PeerbootError('PB-SIGN-TOOL-MISSING', 'neither sbsign nor osslsigncode is installed here');
}
