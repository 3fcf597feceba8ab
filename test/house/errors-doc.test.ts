// docs/errors.md says exactly what the error table says.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ERROR_TABLE } from '../../src/base/error-table.ts';
import { ERRORS_DOC, errorsDoc } from '../../tools/errors-doc.ts';

it('docs/errors.md is printed from the table (`npm run docs:errors`)', () => {
  expect(readFileSync(ERRORS_DOC, 'utf8')).toBe(errorsDoc());
});

it('every entry is a sentence and every remedy an instruction', () => {
  for (const [code, entry] of Object.entries(ERROR_TABLE)) {
    expect(code).toMatch(/^PB-[A-Z0-9]+(-[A-Z0-9]+)+$/);
    expect(entry.means, code).toMatch(/^[A-Z].*[^.]$/);
    expect(entry.remedy, code).toMatch(/^[A-Z].*\.$/);
  }
});
