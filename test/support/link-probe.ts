// A process that measures a link: `receive <port>` prints the payload's Mbit/s of one TCP stream, `send <address> <port> <bytes>` sends it.
import { connect, createServer } from 'node:net';

const [role = '', ...words] = process.argv.slice(2);

if (role === 'receive') {
  const server = createServer((socket) => {
    let firstMs = 0;
    let lastMs = 0;
    let bytes = 0;
    socket.on('data', (data) => {
      lastMs = performance.now();
      // The first piece starts the clock, so it is not counted: it came before it.
      if (firstMs === 0) firstMs = lastMs;
      else bytes += data.length;
    });
    socket.on('end', () => {
      console.log(`rate ${(bytes * 8) / 1e3 / (lastMs - firstMs)}`);
      socket.destroy();
      server.close();
    });
  });
  server.listen(Number(words[0]), () => console.log('listening'));
} else {
  const [address = '', port = '0', bytes = '0'] = words;
  const piece = Buffer.alloc(64 * 1024);
  let left = Number(bytes);
  const socket = connect(Number(port), address, () => {
    const fill = () => {
      while (left > 0) {
        const now = piece.subarray(0, Math.min(left, piece.length));
        left -= now.length;
        if (!socket.write(now)) {
          socket.once('drain', fill);
          return;
        }
      }
      socket.end();
    };
    fill();
  });
}
