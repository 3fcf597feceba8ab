// `npm run setup -- [--for demo|test|bench] [--check]`: sees to the Debian packages that a purpose needs.
import { isPeerbootError } from '../src/base/errors.ts';
import { ensureHost, missingOnHost } from './host.ts';
import { PURPOSES, type Purpose } from './host-packages.ts';

const words = process.argv.slice(2);
const named = words[words.indexOf('--for') + 1];
const purpose = words.includes('--for') ? PURPOSES.find((name) => name === named) : 'test';
if (purpose === undefined) {
  console.error(`Usage: npm run setup -- [--for ${PURPOSES.join('|')}] [--check]`);
  process.exit(2);
}
process.exitCode = words.includes('--check') ? check(purpose) : await setUp(purpose);

function check(purpose: Purpose): number {
  const missing = missingOnHost(purpose);
  for (const need of missing) console.log(`missing: ${need.needs} (Debian package ${need.debianPackage})`);
  if (missing.length === 0) console.log(`nothing is missing for ${purpose}`);
  return missing.length === 0 ? 0 : 1;
}

async function setUp(purpose: Purpose): Promise<number> {
  try {
    await ensureHost(purpose, (line) => console.log(line));
    return 0;
  } catch (error) {
    console.error(isPeerbootError(error) ? `${error.code}: ${error.message}\n${error.remedy}` : error);
    return 1;
  }
}
