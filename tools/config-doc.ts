// Prints docs/configuration.md from the one table of keys: `npm run docs:config`.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  CONFIG_KEYS,
  type ConfigKey,
  environmentName,
  FIXED_DEFAULTS,
  KEY_DOCS,
} from '../src/io/config-keys.ts';

export const CONFIG_DOC = fileURLToPath(new URL('../docs/configuration.md', import.meta.url));

const HEAD = `# Configuration

Every value can be given in the file, as an environment variable, or as a flag of \`peerboot up\`; the later of these wins.
With no configuration at all \`peerboot up\` answers on every interface that has an IPv4 address and serves what it holds.
\`peerboot config show --origin\` prints each value and where it came from. An unknown key, an unknown \`PEERBOOT_…\`
variable or a value of the wrong form is an error (\`PB-CONFIG-INVALID\`, exit status 2) that names the key, where it
came from and the nearest known key.

The file is JSON, \`/etc/peerboot/config.json\` unless \`--config <file>\` or \`PEERBOOT_CONFIG\` names another one, which
must then exist:

\`\`\`json
{
  "site": "store-1042",
  "interfaces": ["eth0"],
  "origins": ["https://images.example.com/peerboot", "http://10.0.0.5:8067/content"],
  "trustRoot": "/etc/peerboot/root.json",
  "assign": [
    { "machine": "52:54:00:12:34:56", "image": "till@2026-11" },
    { "machine": "*", "image": "local" }
  ]
}
\`\`\`

In variables, lists are words with commas between them (\`PEERBOOT_ORIGINS=http://a,http://b\`), assignments are
\`<machine>=<image>\` (\`PEERBOOT_ASSIGN='*=debian-12'\`), switches are \`1\` or \`0\`. Sizes may have a unit: \`20G\`, \`500M\`
(1K = 1024).

| key | meaning | default | variable | flag |
|---|---|---|---|---|
`;

export function configDoc(): string {
  const fixed: Partial<Record<ConfigKey, unknown>> = FIXED_DEFAULTS;
  const rows = (Object.keys(CONFIG_KEYS) as ConfigKey[]).map((key) => {
    const { means, flag, defaultText } = KEY_DOCS[key];
    const standard = defaultText ?? (fixed[key] === null ? 'none' : `\`${JSON.stringify(fixed[key])}\``);
    const flags =
      flag === undefined
        ? ''
        : flag
            .split(', ')
            .map((one) => `\`${one}\``)
            .join(', ');
    return `| \`${key}\` | ${means} | ${standard} | \`${environmentName(key)}\` | ${flags} |`;
  });
  return `${HEAD}${rows.join('\n')}\n`;
}

if (import.meta.main) {
  writeFileSync(CONFIG_DOC, configDoc());
  console.log('docs/configuration.md written');
}
