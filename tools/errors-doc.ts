// Prints docs/errors.md from the one error table; `npm run docs:errors` writes it, a test compares it.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ERROR_TABLE } from '../src/base/error-table.ts';

export const ERRORS_DOC = fileURLToPath(new URL('../docs/errors.md', import.meta.url));

export function errorsDoc(): string {
  const rows = Object.entries(ERROR_TABLE).sort(([a], [b]) => (a < b ? -1 : 1));
  const head = [
    '# Error codes',
    '',
    'Every failure that an operator can mend has one of these codes, on the screen of the machine, in the log, in the API',
    'and in the metrics. This page is printed from `src/base/error-table.ts` by `npm run docs:errors`.',
    '',
  ];
  return [
    ...head,
    ...rows.flatMap(([code, entry]) => [
      `## ${code}`,
      '',
      `${entry.means}.`,
      '',
      `**Remedy.** ${entry.remedy}`,
      '',
    ]),
  ]
    .join('\n')
    .replace(/\n$/, '\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const before = (() => {
    try {
      return readFileSync(ERRORS_DOC, 'utf8');
    } catch {
      return '';
    }
  })();
  const now = errorsDoc();
  if (now !== before) writeFileSync(ERRORS_DOC, now);
  console.log(now === before ? 'docs/errors.md is up to date' : 'docs/errors.md written');
}
