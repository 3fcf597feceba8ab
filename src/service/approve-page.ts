// The page on which a technician's phone approves a machine: one file without anything from elsewhere, for small screens.

/** `site` is the administrator's own word, shown as text. The code comes in the address's fragment, which is never sent. */
export function approvePage(site: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Approve a machine</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<p class="site">Peerboot · ${escapeHtml(site)}</p>
<h1>Approve a machine</h1>
<form id="ask">
<label>Code on the machine's screen
<input id="code" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="12" required></label>
<label>PIN <small>from <code>peerboot pin</code></small>
<input id="pin" inputmode="numeric" autocomplete="one-time-code" maxlength="12" required></label>
<button>Show the machine</button>
</form>
<form id="decide" hidden>
<p>Compare with the screen in front of you:</p>
<dl>
<dt>Code</dt><dd id="v-code" class="big"></dd>
<dt>Serial</dt><dd id="v-serial" class="big"></dd>
<dt>Model</dt><dd id="v-product"></dd>
<dt>MAC</dt><dd id="v-mac"></dd>
<dt>Address</dt><dd id="v-address"></dd>
</dl>
<label class="check"><input type="checkbox" id="same"> The screen shows this code and this serial</label>
<label>Image <select id="image"></select></label>
<label class="check"><input type="checkbox" id="overwrite"> Its disk may be overwritten, also if it is not blank</label>
<button id="yes" disabled>Image this machine</button>
<button id="no" type="button" class="quiet">Deny: boot its own disk</button>
</form>
<p id="said" role="status" aria-live="polite"></p>
<button id="next" class="quiet" hidden>Next machine</button>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

const STYLE = `
:root{font:18px/1.4 system-ui,sans-serif}
body{margin:0}
main{max-width:26rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;margin:.2rem 0 1rem}
.site{margin:0;opacity:.7}
label{display:block;margin:.9rem 0}
input:not([type=checkbox]),select{display:block;width:100%;box-sizing:border-box;font:inherit;font-size:1.3rem;padding:.6rem;margin-top:.3rem;border:2px solid #888;border-radius:.5rem}
#code,#pin,.big{font-family:ui-monospace,monospace;letter-spacing:.1em;text-transform:uppercase}
.check{display:flex;gap:.7rem;align-items:center}
.check input{width:1.6rem;height:1.6rem;flex:none}
button{width:100%;font:inherit;font-weight:600;padding:.9rem;margin:.4rem 0;border:0;border-radius:.5rem;background:#0a58ca;color:#fff}
button:disabled{background:#888}
button.quiet{background:transparent;color:inherit;border:2px solid #888}
dl{display:grid;grid-template-columns:auto 1fr;align-items:baseline;gap:.3rem 1rem;margin:0}
dd{margin:0;overflow-wrap:anywhere}
.big{font-size:1.4rem;font-weight:700}
#said{font-weight:600;min-height:1.5em}
#said.wrong{color:light-dark(#b3001b,#ff8a80)}`;

const SCRIPT = `
'use strict';
const by = (id) => document.getElementById(id);
const code = () => by('code').value;
const pin = () => by('pin').value;
by('code').value = decodeURIComponent(location.hash.slice(1)).replace(/[^A-Za-z]/g, '').slice(0, 8).toUpperCase();
if (code() !== '') by('pin').focus();
const say = (text, wrong) => {
  by('said').textContent = text.replaceAll('\`', '').replace(/^./, (letter) => letter.toUpperCase());
  by('said').className = wrong ? 'wrong' : '';
  if (text !== '') by('said').scrollIntoView({ block: 'nearest' });
};
async function post(path, body) {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }).catch(() => { throw new Error("The peer does not answer. Is the phone in the store's network?"); });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.what + '. ' + answer.remedy);
  return answer;
}
// One at a time: a second tap would spend another use of the PIN.
let busy = false;
async function once(act) {
  if (busy) return;
  busy = true;
  say('');
  try { await act(); } catch (error) { say(error.message, true); } finally { busy = false; }
}
const spaced = (text) => text.slice(0, 4) + ' ' + text.slice(4);
by('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  once(async () => {
    by('pin').select();
    const machine = await post('/approve/v1/look', { code: code(), pin: pin() });
    by('v-code').textContent = spaced(machine.code);
    for (const name of ['serial', 'product', 'mac', 'address']) by('v-' + name).textContent = machine[name] || 'not known';
    by('image').replaceChildren(...machine.images.map((name) => new Option(name)));
    by('same').checked = false;
    by('overwrite').checked = false;
    by('yes').disabled = true;
    by('decide').hidden = false;
    by('ask').hidden = true;
    scrollTo(0, 0);
  });
});
by('same').addEventListener('change', () => { by('yes').disabled = !by('same').checked; });
const decide = (more, done) => once(async () => {
  await post('/approve/v1/decide', { code: code(), pin: pin(), ...more });
  by('decide').hidden = true;
  by('next').hidden = false;
  say(done + ' (' + by('v-code').textContent + ', serial ' + by('v-serial').textContent + ')');
});
by('next').addEventListener('click', () => {
  say('');
  by('next').hidden = true;
  by('ask').hidden = false;
  by('code').value = '';
  by('code').focus();
});
by('decide').addEventListener('submit', (event) => {
  event.preventDefault();
  if (!by('same').checked) return;
  const image = by('image').value;
  decide({ allowNonBlank: by('overwrite').checked, ...(image === '' ? {} : { image }) }, 'Approved: the machine goes on within seconds');
});
by('no').addEventListener('click', () => decide({ deny: true }, 'Denied: the machine boots its own disk'));
`;

function escapeHtml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    '&': 'amp',
    '<': 'lt',
    '>': 'gt',
    '"': 'quot',
    "'": '#39',
  };
  return text.replaceAll(/[&<>"']/g, (letter) => `&${names[letter]};`);
}
