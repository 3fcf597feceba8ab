// A BitTorrent tracker (BEP 3 and 23) that tells everybody of everybody: `tracker.ts <port>`.
import { createServer } from 'node:http';
import { bencode } from './torrent.ts';

/** The shortest that clients keep to. */
const INTERVAL_SECONDS = 2;

const peers = new Map<string, Buffer>();
const server = createServer((request, response) => {
  const port = Number(new URL(request.url ?? '/', 'http://tracker').searchParams.get('port'));
  const address = request.socket.remoteAddress?.replace('::ffff:', '') ?? '';
  const compact = Buffer.from([...address.split('.').map(Number), port >> 8, port & 255]);
  const others = [...peers].filter(([key]) => key !== `${address}:${port}`).map(([, peer]) => peer);
  peers.set(`${address}:${port}`, compact);
  const answer = {
    interval: INTERVAL_SECONDS,
    'min interval': INTERVAL_SECONDS,
    peers: Buffer.concat(others),
  };
  response.end(bencode(answer));
});
server.listen(Number(process.argv[2]), () => console.log('listening'));
